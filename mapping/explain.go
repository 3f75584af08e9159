package mapping

import (
	"errors"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// Explanation says how a component came to its objects, or why it did not.
type Explanation struct {
	// Mappings are all of the set, in the order in which they are preferred.
	Mappings []Considered
	// Expressions are those that were computed for the chosen mapping, in their order.
	Expressions []Computed
}

// Considered is one mapping in an explanation.
type Considered struct {
	Name, File string
	Priority   int
	Chosen     bool
	// Why the mapping was not chosen, or that it was: one line.
	Why string
}

// Computed is one expression with its value. Values may hold registry credentials.
type Computed struct {
	Mapping, File string
	Line, Column  int
	// Path leads to the expression in the file.
	Path       string
	Expression string // as written
	// Value is JSON; empty if the value is absent or Problem is set.
	Value   string
	Problem string
}

// Explain renders a component as Render does, and says how. The explanation is complete also when
// there is an error.
func (s *Set) Explain(in Input, namespace string) (Rendered, Explanation, error) {
	var x Explanation
	trace := func(e *expression, value ref.Val, err error) {
		x.Expressions = append(x.Expressions, computedOf(e, value, err))
	}
	rendered, err := s.render(&in, namespace, trace)
	chosen := rendered.Mapping
	if placed(&in) == nil {
		e := &evaluation{variables: variablesOf(&in, namespace)}
		if m, err := s.choose(&in, e); err == nil {
			chosen = m.name
		}
		x.Mappings = s.consider(e, chosen)
	}
	kept := x.Expressions[:0]
	for _, computed := range x.Expressions {
		if chosen == "" || computed.Mapping == chosen {
			kept = append(kept, computed)
		}
	}
	x.Expressions = kept
	return rendered, x, err
}

func computedOf(e *expression, value ref.Val, err error) Computed {
	c := Computed{
		Mapping: e.mapping, File: e.file, Line: e.line, Column: e.column, Path: e.path, Expression: oneLine(e.source),
	}
	if err == nil {
		switch text := jsonText(value).(type) {
		case types.String:
			c.Value = string(text)
		case *types.Err:
			err = text
		}
	}
	var known *Error
	switch {
	case errors.As(err, &known):
		c.Problem = known.Message
	case err != nil && !isAbsent(err):
		c.Problem = safeCause(err)
	}
	return c
}

func (s *Set) consider(e *evaluation, chosen string) []Considered {
	considered := make([]Considered, 0, len(s.mappings))
	for _, m := range s.mappings {
		c := Considered{Name: m.name, File: m.file, Priority: m.priority, Chosen: m.name == chosen}
		c.Why = m.why(e, c.Chosen, chosen)
		considered = append(considered, c)
	}
	return considered
}

// why says in one line what became of a mapping.
func (m *definition) why(e *evaluation, isChosen bool, chosen string) string {
	if isChosen {
		return "chosen"
	}
	e.use(m.lets)
	for _, x := range m.when {
		holds, err := x.holds(e)
		if err != nil {
			return "cannot tell: " + messageOf(err)
		}
		if !holds {
			return "does not hold: " + oneLine(x.source)
		}
	}
	if chosen == "" {
		return "would hold, but so does another of the same priority, or one before it cannot tell"
	}
	return `its conditions hold, but "` + chosen + `" has the higher priority`
}

// Names are the names of the mappings, in the order in which they are preferred.
func (s *Set) Names() []string {
	names := make([]string, len(s.mappings))
	for i, m := range s.mappings {
		names[i] = m.name
	}
	return names
}
