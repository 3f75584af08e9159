package mapping

import "github.com/google/cel-go/common/types"

// choose finds the one mapping for a component: of those whose conditions all hold, the one with the
// highest priority.
func (s *Set) choose(in *Input, e *evaluation) (*definition, error) {
	var chosen *definition
	for _, c := range s.choice.candidates(e) {
		m := s.mappings[c.mapping]
		if chosen != nil && m.priority < chosen.priority {
			break
		}
		known := -1
		if c.sure && e.trace == nil { // an explanation shows every condition
			known = m.discriminator.decides
		}
		holds, err := m.holds(e, known)
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
// with an absent value is false. known is the number of one that is known to hold, or -1.
func (m *definition) holds(e *evaluation, known int) (bool, error) {
	e.use(m.lets)
	var failed error
	for i, x := range m.when {
		if i == known {
			continue
		}
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
