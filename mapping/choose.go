package mapping

import "github.com/google/cel-go/common/types"

// choose finds the one mapping for a component: of those whose conditions all hold, the one with the
// highest priority.
func (s *Set) choose(in *Input, e *evaluation) (*definition, error) {
	var chosen *definition
	for _, i := range s.choice.candidates(e) {
		m := s.mappings[i]
		if chosen != nil && m.priority < chosen.priority {
			break
		}
		holds, err := m.holds(e)
		switch {
		case err != nil:
			return nil, err
		case holds && chosen != nil:
			return nil, &Error{
				Entity: in.Component.ID, Reason: ReasonMappingTie, Err: ErrInvalid,
				Message: `the mappings "` + chosen.name + `" and "` + m.name + `" are both for it, with the same priority`,
			}
		case holds:
			chosen = m
		}
	}
	if chosen == nil {
		return nil, noMapping(in)
	}
	return chosen, nil
}

// holds evaluates the conditions of a mapping. One that is false decides, whatever the others say; one
// with an absent value is false.
func (m *definition) holds(e *evaluation) (bool, error) {
	e.use(m.lets)
	var failed error
	for _, x := range m.when {
		holds, err := x.holds(e)
		if err == nil && !holds {
			return false, nil
		}
		if failed == nil {
			failed = err
		}
	}
	return failed == nil, failed
}

// holds evaluates a condition.
func (x *expression) holds(e *evaluation) (bool, error) {
	value, err := x.eval(e)
	if err != nil {
		if isAbsent(err) {
			return false, nil
		}
		return false, err
	}
	holds, isBool := value.(types.Bool)
	if !isBool {
		return false, x.fault("it is neither true nor false")
	}
	return bool(holds), nil
}

// noMapping says what no mapping is for.
func noMapping(in *Input) error {
	technology, from := in.Element.Enum("containerTechnology"), in.Element.ID
	if technology == "" && in.Orchestrator != nil {
		technology, from = in.Orchestrator.Enum("orchestrationType"), in.Orchestrator.ID
	}
	message := "element " + string(in.Element.ID) + " has no container technology"
	if technology != "" {
		message = "no mapping for technology " + quoted(technology) + " of " + string(from)
	}
	return &Error{
		Entity: from, Field: "containerTechnology", Reason: ReasonUnknownTechnology, Message: message, Err: ErrPending,
	}
}
