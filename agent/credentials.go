package agent

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// credentials are the texts in an object or in a part of it that no message may repeat: those that hidesSecrets masks.
func credentials(value any) llo.Texts { return credentialsIn(value, hidesSecrets(value), nil) }

func credentialsIn(value, hidden any, into llo.Texts) llo.Texts {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			into = credentialsIn(item, field(hidden, key), into)
		}
	case []any:
		for i, one := range v {
			into = credentialsIn(one, item(hidden, i), into)
		}
	case string:
		if hidden != v && v != "true" && v != "false" {
			into = credentialsOf(v, into)
		}
	case nil, bool:
	default:
		if text := fmt.Sprint(v); hidden == masked {
			into = append(into, text)
		}
	}
	return into
}

// credentialsOf are those in a text that is masked. Of a document that speaks of credentials they are the values that are
// named so, and not everything in it.
func credentialsOf(text string, into llo.Texts) llo.Texts {
	var document any
	if json.Unmarshal([]byte(text), &document) == nil {
		if found := credentials(document); len(found) > 0 {
			return append(append(into, text), found...)
		}
	}
	if !strings.Contains(strings.TrimSpace(text), "\n") {
		return append(into, llo.TextsIn(text)...)
	}
	into = append(into, text)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, value, isPair := strings.Cut(line, ": "); isPair && mentionsSecret(name) {
			into = append(into, strings.Trim(value, `"' `))
		}
		if hideText(line) != line {
			into = append(into, llo.TextsIn(line)...)
		}
	}
	return into
}

// Observe is what an object says of itself, without the credentials that it holds: whoever writes a status may repeat them.
func (u *rules) Observe(o *unstructured.Unstructured) mapping.State {
	state := u.Set.Observe(o)
	if state.Reason != "" || state.Message != "" {
		hidden := credentials(o.Object)
		state.Reason, state.Message = hidden.CutFrom(state.Reason), hidden.CutFrom(state.Message)
	}
	return state
}

// Properties are what an object has written back to its entity, without the same.
func (u *rules) Properties(o *unstructured.Unstructured) map[string]any {
	properties := u.Set.Properties(o)
	if len(properties) > 0 {
		properties, _ = cutFrom(properties, credentials(o.Object)).(map[string]any)
	}
	return properties
}

// cutFrom cuts texts out of every text in a value. The value is not changed.
func cutFrom(value any, hidden llo.Texts) any {
	switch v := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(v))
		for key, item := range v {
			copied[key] = cutFrom(item, hidden)
		}
		return copied
	case []any:
		list := slices.Clone(v)
		for i, item := range v {
			list[i] = cutFrom(item, hidden)
		}
		return list
	case string:
		return hidden.CutFrom(v)
	}
	return value
}

// credentials are those of the entity and of what was made of it.
func (p *pass) credentials() llo.Texts {
	all := credentialsInEntity(&p.entity)
	for _, o := range p.objects.Objects {
		all = append(all, credentials(o.Object)...)
	}
	return all
}

func credentialsInEntity(e *ngsild.Entity) llo.Texts {
	attrs := make(map[string]any, len(e.Attrs))
	for name, a := range e.Attrs {
		if name != attrDeployment && name != attrDecision {
			attrs[name] = a.Value
		}
	}
	return credentials(attrs)
}

// hide takes the credentials out of what a pass is about to say. Its reason is a word of ours, or of Observe.
func (p *pass) hide() {
	if p.status != nil && p.status.Message != "" {
		p.status.Message = p.credentials().CutFrom(p.status.Message)
	}
}
