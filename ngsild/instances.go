package ngsild

// several reads a list: either the instances of one attribute, told apart by
// datasetId (NGSI-LD 1.6.1, 4.5.5), or a list in simplified form.
func (r *valueReader) several(text []byte) Attribute {
	if !instances(text) {
		return r.simplifiedList(text)
	}
	var defaults, others []Attribute
	for l := itemsOf(text); ; {
		item, ok := l.next()
		if !ok {
			return choose(defaults, others)
		}
		if item[0] != '{' {
			// The concise form writes a default instance as its bare value.
			defaults = append(defaults, Attribute{Value: r.read(item)})
			continue
		}
		f := fieldsOf(item)
		if f.dataset {
			others = append(others, r.instance(f))
		} else {
			defaults = append(defaults, r.single(item, f))
		}
	}
}

// instances reports a list of attribute instances: each item can be nothing
// else, or one names its dataset.
func instances(text []byte) bool {
	all, count := true, 0
	for l := itemsOf(text); ; count++ {
		item, ok := l.next()
		if !ok {
			return all && count > 0
		}
		if item[0] != '{' {
			all = false
			continue
		}
		f := fieldsOf(item)
		if f.dataset {
			return true
		}
		all = all && f.instance()
	}
}

// choose returns the default instance. Several relationships without a dataset,
// as an old front end posts them, or only named ones, are one relationship with
// several targets; several values are a contradiction.
func choose(defaults, others []Attribute) Attribute {
	candidates := defaults
	if len(candidates) == 0 {
		candidates = others
	}
	chosen := candidates[0]
	if len(candidates) == 1 {
		return chosen
	}
	if chosen.Kind == Relationship {
		return join(candidates)
	}
	chosen.Malformed = chosen.Malformed || len(defaults) > 1
	return chosen
}

func join(relationships []Attribute) Attribute {
	joined := Attribute{Kind: Relationship}
	targets := []any{}
	for _, a := range relationships {
		joined.Malformed = joined.Malformed || a.Malformed || a.Kind != Relationship
		switch value := a.Value.(type) {
		case []any:
			targets = append(targets, value...)
		case string:
			targets = append(targets, value)
		}
	}
	joined.Value = targets
	return joined
}

// simplifiedList reads a list of values. Expanded JSON-LD puts a single value
// into a list too, as an object with @value or @id.
func (r *valueReader) simplifiedList(text []byte) Attribute {
	value := r.read(text)
	list, _ := value.([]any)
	l := itemsOf(text)
	first, _ := l.next()
	if len(list) == 1 && first[0] == '{' {
		if _, stillObject := list[0].(map[string]any); !stillObject {
			return Attribute{Value: list[0]}
		}
	}
	return Attribute{Value: value}
}
