package broker

// The notification of a merge is not the entity that a GET shows: the broker
// patches a copy of its database document in memory and sends that. What
// follows makes the same mistakes.

// addedEcho is an attribute that a merge has added: the value is under value,
// whatever the type, and all else under md.
func addedEcho(in value, now instant) value {
	if in.kind != object {
		return in
	}
	out := value{kind: object}
	beside := value{kind: object}
	field := fieldOf(kindOf(in))
	for _, m := range in.members {
		switch m.name {
		case "type":
			out.members = append(out.members, m)
		case field:
			out.members = append(out.members, member{"value", m.value})
		default:
			beside.members = append(beside.members, member{m.name, besideEcho(m, true, now)})
		}
	}
	if beside.members != nil {
		out.members = append(out.members, member{"md", beside})
	}
	return out
}

// changedEcho is an attribute that a merge has changed. What the merge names
// goes to the end, in its order.
func changedEcho(was, in value, now instant) value {
	field := fieldOf(kindOf(in))
	if field == "" || !in.has(field) {
		was = value{kind: object} // only what is named is sent
	}
	for _, m := range in.members {
		old, _ := was.get(m.name)
		switch {
		case m.name == "type":
		case m.value.kind == text && m.value.text == nullURI:
			was = was.without(m.name)
		case m.name == field && old.kind == object && m.value.kind == object:
			was = was.moved(m.name, dotted(old, m.value))
		case m.name == field:
			was = was.moved(m.name, m.value)
		default:
			was = was.moved(m.name, besideEcho(m, field == "" || !in.has(field), now))
		}
	}
	return was
}

// besideEcho is something beside the value: observedAt as a number, wrapped
// unless it stands in a whole attribute; sub-attributes with numbers for times.
func besideEcho(m member, wrapped bool, now instant) value {
	switch {
	case m.name == "observedAt":
		t, _ := instantFrom(m.value.text)
		if !wrapped {
			return t.seconds()
		}
		return value{kind: object, members: []member{{"value", t.seconds()}}}
	case m.value.kind == object:
		return m.value.with("createdAt", now.seconds()).with("modifiedAt", now.seconds())
	case m.value.kind == text:
		return value{kind: object, members: []member{{"value", m.value}}}
	}
	return m.value
}

// dotted is a JSON object after a merge as the echo has it: the old object,
// with what is new or different at its end, and nested changes as dotted keys.
func dotted(was, in value) value {
	out := was
	differences(was, in, "", func(path string, v value) {
		if nothing(v) {
			out = out.without(path)
			return
		}
		out = out.moved(path, v)
	})
	return out
}

func differences(was, in value, prefix string, found func(path string, v value)) {
	for _, m := range in.members {
		old, there := was.get(m.name)
		switch {
		case there && old.kind == object && m.value.kind == object:
			differences(old, m.value, prefix+m.name+".", found)
		case there && equal(old, m.value):
		default:
			found(prefix+m.name, m.value)
		}
	}
}
