package agent

import (
	"encoding/json"
	"unique"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// packed is a list or an object as JSON text. The tracker keeps tens of
// thousands of entities, and a list of small maps takes many times its text.
type packed string

// pack makes an entity small: lists and objects become text, and links, which
// many entities have in common, are shared. What cannot be packed stays.
func pack(e ngsild.Entity) ngsild.Entity {
	attrs := make(map[string]ngsild.Attribute, len(e.Attrs))
	for name, a := range e.Attrs {
		switch value := a.Value.(type) {
		case []any, map[string]any:
			if name == attrStatus || name == attrElement || name == attrService {
				break // looked at while packed
			}
			if text, err := json.Marshal(value); err == nil {
				a.Value = packed(text)
			}
		case string:
			if a.Kind == ngsild.Relationship {
				a.Value = unique.Make(value).Value()
			}
		}
		attrs[name] = a
	}
	e.Attrs = attrs
	return e
}

// unpack is the entity as it was before pack.
func unpack(e ngsild.Entity) ngsild.Entity {
	attrs := make(map[string]ngsild.Attribute, len(e.Attrs))
	for name, a := range e.Attrs {
		if text, ok := a.Value.(packed); ok {
			var value any
			if err := utiljson.Unmarshal([]byte(text), &value); err == nil { // it was made by pack
				a.Value = value
			}
		}
		attrs[name] = a
	}
	e.Attrs = attrs
	return e
}

// sameValue compares two values that may be packed.
func sameValue(a, b any) bool {
	x, ok := a.(packed)
	if y, also := b.(packed); ok || also {
		return ok && also && x == y
	}
	return ngsild.Equal(a, b)
}
