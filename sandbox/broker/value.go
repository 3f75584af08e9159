package broker

import "slices"

// kind tells what a JSON value is.
type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// value is a JSON value that keeps the order of its members and numbers as they
// were written. Values are not changed once they are shared.
type value struct {
	kind    kind
	text    string   // decoded text, or a number or boolean as written
	members []member // of a list (without names) or an object
}

// member is a member of an object or an item of a list.
type member struct {
	name  string
	value value
}

func textValue(s string) value { return value{kind: text, text: s} }

func textList(items []string) value {
	v := value{kind: list}
	for _, s := range items {
		v.members = append(v.members, member{value: textValue(s)})
	}
	return v
}

// get is the member of an object, null and false when it is not there. Of a
// name that is there twice the last counts.
func (v value) get(name string) (value, bool) {
	for i := len(v.members) - 1; i >= 0; i-- {
		if v.kind == object && v.members[i].name == name {
			return v.members[i].value, true
		}
	}
	return value{}, false
}

// textOf is the text of a member, empty when it is not there or not a text.
func (v value) textOf(name string) string {
	m, _ := v.get(name)
	if m.kind != text {
		return ""
	}
	return m.text
}

func (v value) has(name string) bool {
	_, ok := v.get(name)
	return ok
}

// with is a copy of the object in which the member has the value, in its old
// place, or at the end when it is new.
func (v value) with(name string, m value) value {
	out := value{kind: object, members: slices.Clone(v.members)}
	for i := range out.members {
		if out.members[i].name == name {
			out.members[i].value = m
			return out
		}
	}
	out.members = append(out.members, member{name, m})
	return out
}

// moved is with, but the member always goes to the end.
func (v value) moved(name string, m value) value {
	out := v.without(name)
	out.members = append(out.members, member{name, m})
	return out
}

// without is a copy of the object that lacks the member.
func (v value) without(name string) value {
	out := value{kind: v.kind, members: make([]member, 0, len(v.members)+1)}
	for _, m := range v.members {
		if m.name != name {
			out.members = append(out.members, m)
		}
	}
	return out
}

// equal compares as JSON: the order of an object's members does not matter, a
// number is compared as written.
func equal(a, b value) bool {
	if a.kind != b.kind || len(a.members) != len(b.members) {
		return false
	}
	switch a.kind {
	case list:
		return slices.EqualFunc(a.members, b.members, func(x, y member) bool { return equal(x.value, y.value) })
	case object:
		for _, m := range a.members {
			if other, ok := b.get(m.name); !ok || !equal(m.value, other) {
				return false
			}
		}
		return true
	default:
		return a.text == b.text
	}
}
