package mapping

import (
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"go.yaml.in/yaml/v3"
)

// template makes a JSON value that is shared with nothing. present is false for what is left out.
type template interface {
	build(e *evaluation) (value any, present bool, err error)
}

// constant is a subtree without expressions.
type constant struct{ value any }

func (t constant) build(*evaluation) (any, bool, error) { return copyJSON(t.value), true, nil }

// whole is an expression that is the whole value and keeps its type.
type whole struct{ *expression }

func (t whole) build(e *evaluation) (any, bool, error) {
	value, err := t.eval(e)
	if err != nil {
		return absentOr(err)
	}
	plain, present, err := toJSON(value, 0)
	if err != nil {
		return nil, false, t.fault(safeCause(err))
	}
	return plain, present, nil
}

// absentOr leaves out what is absent and passes any other error on.
func absentOr(err error) (any, bool, error) {
	if isAbsent(err) {
		return nil, false, nil
	}
	return nil, false, err
}

// mixed is a text with expressions in it, each nil where there is plain text. One that is absent takes
// the text with it.
type mixed struct {
	plain       []string
	expressions []*expression
}

func (t mixed) build(e *evaluation) (any, bool, error) {
	var b strings.Builder
	for i, x := range t.expressions {
		if x == nil {
			b.WriteString(t.plain[i])
			continue
		}
		value, err := x.eval(e)
		if err != nil {
			return absentOr(err)
		}
		text, ok := textOf(value)
		if !ok {
			return nil, false, x.fault("its value cannot stand inside of a text")
		}
		b.WriteString(text)
	}
	return b.String(), true, nil
}

func textOf(value ref.Val) (string, bool) {
	if text, isText := value.(types.String); isText {
		return string(text), true
	}
	plain, _, err := toJSON(value, 0)
	if err != nil {
		return "", false
	}
	return asText(plain)
}

// object is a map; keys are plain text. Without any of its entries it is left out.
type object struct {
	keys   []string
	values []template
}

func (t object) build(e *evaluation) (any, bool, error) {
	m := make(map[string]any, len(t.keys))
	for i, key := range t.keys {
		value, present, err := t.values[i].build(e)
		if err != nil {
			return nil, false, err
		}
		if present {
			m[key] = value
		}
	}
	return m, len(m) > 0, nil
}

// sequence is a list; without any of its items it is left out.
type sequence []template

func (t sequence) build(e *evaluation) (any, bool, error) {
	list := make([]any, 0, len(t))
	for _, item := range t {
		value, present, err := item.build(e)
		if err != nil {
			return nil, false, err
		}
		if present {
			list = append(list, value)
		}
	}
	return list, len(list) > 0, nil
}

// template compiles a YAML tree. path is where it stands in the file, field where in the object.
func (c *compiler) template(env *cel.Env, n *yaml.Node, path, field string, depth int) template {
	n = c.doc.resolve(n)
	if depth > maxDepth {
		c.doc.problem(n, path, "is nested more than %d deep", maxDepth)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		return c.object(env, n, path, field, depth)
	case yaml.SequenceNode:
		list := make(sequence, 0, len(n.Content))
		for i, item := range n.Content {
			if t := c.template(env, item, index(path, i), index(field, i), depth+1); t != nil {
				list = append(list, t)
			}
		}
		return folded(list, list)
	}
	return c.scalar(env, n, path, field)
}

func (c *compiler) object(env *cel.Env, n *yaml.Node, path, field string, depth int) template {
	var t object
	for _, f := range c.doc.entries(n, path) {
		if strings.Contains(f.name, "${") {
			c.doc.problem(f.key, join(path, f.name), "a key is plain text; if this is an expression, put all of it in quotes, because YAML takes \": \" for a map")
			continue
		}
		if value := c.template(env, f.value, join(path, f.name), join(field, f.name), depth+1); value != nil {
			t.keys, t.values = append(t.keys, f.name), append(t.values, value)
		}
	}
	return folded(t, t.values)
}

// folded makes a constant of a subtree that has no expressions.
func folded(t template, children []template) template {
	for _, child := range children {
		if _, isConstant := child.(constant); !isConstant {
			return t
		}
	}
	value, _, _ := t.build(nil) // constants need no evaluation and cannot fail
	return constant{value}
}

func (c *compiler) scalar(env *cel.Env, n *yaml.Node, path, field string) template {
	if n.Tag == "!!str" || n.Tag == "!!timestamp" {
		return c.text(env, n, path, field)
	}
	var value any
	if err := n.Decode(&value); err != nil {
		c.doc.problem(n, path, "cannot be read as %s", n.Tag)
		return nil
	}
	switch v := value.(type) {
	case nil:
		c.doc.problem(n, path, "is empty: leave it out, or write {} or []")
		return nil
	case int:
		return constant{int64(v)}
	case bool:
		return constant{v}
	case float64:
		if number, _, err := jsonNumber(v); err == nil {
			return constant{number}
		}
	}
	c.doc.problem(n, path, "%s is not supported", n.Tag)
	return nil
}

func (c *compiler) text(env *cel.Env, n *yaml.Node, path, field string) template {
	parts, err := split(n.Value)
	if err != nil {
		c.doc.problem(n, path, "%v", err)
		return nil
	}
	if len(parts) == 1 && parts[0].expression {
		if x := c.expression(env, n, parts[0].text, path, field); x != nil {
			return whole{x}
		}
		return nil
	}
	var t mixed
	for _, p := range parts {
		var x *expression
		if p.expression {
			if x = c.expression(env, n, p.text, path, field); x == nil {
				continue
			}
			if kind := x.result.Kind(); kind == types.ListKind || kind == types.MapKind {
				c.doc.problemAt(x.line, x.column, path, "a list or map cannot stand inside of a text, json(…) makes one of it: ${%s}", excerpt(p.text))
			}
		}
		t.plain, t.expressions = append(t.plain, p.text), append(t.expressions, x)
	}
	for _, x := range t.expressions {
		if x != nil {
			return t
		}
	}
	return constant{strings.Join(t.plain, "")}
}

// expression compiles one expression of a scalar node.
func (c *compiler) expression(env *cel.Env, n *yaml.Node, source, path, field string) *expression {
	if strings.TrimSpace(source) == "" {
		c.doc.problem(n, path, "an expression is empty")
		return nil
	}
	line, column := c.doc.locate(n, source)
	return c.compile(env, source, line, column, path, field)
}
