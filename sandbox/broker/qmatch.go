package broker

import (
	"strconv"
	"strings"
)

// matches reports whether the entity fulfils the filter; a nil filter is
// fulfilled by all.
func (f *filter) matches(e *entity) bool {
	switch {
	case f == nil:
		return true
	case f.join == 0:
		return f.term.matches(e)
	}
	for _, kid := range f.kids {
		if kid.matches(e) == (f.join == '|') {
			return f.join == '|'
		}
	}
	return f.join == ';'
}

func (t *term) matches(e *entity) bool {
	v, ok := t.find(e)
	if t.op == "" || t.absent {
		return ok != t.absent
	}
	if !ok {
		return false
	}
	switch t.op {
	case "!=", "!~=":
		return !t.any(v)
	}
	return t.any(v)
}

// find is the value that the term speaks of.
func (t *term) find(e *entity) (value, bool) {
	i := e.find(t.name)
	if i < 0 {
		return value{}, false
	}
	v := stored(e.attrs[i].body)
	if v.kind == list && len(v.members) > 0 {
		v = v.members[0].value
	}
	for _, name := range t.sub {
		var ok bool
		if v, ok = v.get(name); !ok {
			return v, false
		}
	}
	if v.kind == object && fieldOf(v.textOf("type")) != "" {
		v, _ = v.get(fieldOf(v.textOf("type")))
	}
	for _, key := range t.inside {
		var ok bool
		if v, ok = v.get(key); !ok {
			return v, false
		}
	}
	return v, true
}

// any reports whether the value, or an item of a list, compares with any of the
// operands.
func (t *term) any(v value) bool {
	if v.kind == list {
		for _, m := range v.members {
			if t.any(m.value) {
				return true
			}
		}
		return false
	}
	for i := range t.values {
		if t.compares(v, &t.values[i]) {
			return true
		}
	}
	return false
}

func (t *term) compares(v value, o *operand) bool {
	if o.pattern != nil {
		return v.kind == text && o.pattern.MatchString(v.text)
	}
	if v.kind != o.value.kind {
		return false
	}
	c, ok := compare(v, o.value)
	if !ok {
		return false
	}
	switch t.op {
	case ">":
		return c > 0
	case "<":
		return c < 0
	case ">=":
		return c >= 0
	case "<=":
		return c <= 0
	}
	if o.ranged {
		upper, ok := compare(v, o.until)
		return ok && c >= 0 && upper <= 0
	}
	return c == 0
}

func compare(a, b value) (int, bool) {
	if a.kind != number {
		return strings.Compare(a.text, b.text), a.kind == b.kind
	}
	x, errA := strconv.ParseFloat(a.text, 64)
	y, errB := strconv.ParseFloat(b.text, 64)
	switch {
	case errA != nil || errB != nil || b.kind != number:
		return 0, false
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	}
	return 0, true
}
