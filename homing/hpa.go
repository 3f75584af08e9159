package homing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// hpa is the body of an hpa constraint: what hardware each virtual machine needs.
type hpa struct{ machines []machine }

// machine is one VNFC or VDU.
type machine struct {
	id, kind   string
	directives []any
	features   []feature
	label      string // the first attribute name of the first directive
}

type feature struct {
	name, version, architecture string
	mandatory                   bool
	score                       int
	directives                  []any
	wants                       []want
}

// want is one attribute of a feature.
type want struct {
	key, op string
	value   any
	unit    string
}

var hpaOperators = []string{"=", "<", ">", "<=", ">=", "ALL"}

func (p *parser) hpa(_ *constraint, r *reader) any {
	b := &hpa{}
	if _, ok := r.need("evaluate", "a list with one entry per virtual machine"); !ok {
		return b
	}
	for i, item := range r.list("evaluate") {
		e, ok := open(item, fmt.Sprintf("%s[%d]", r.at("evaluate"), i), " with id, type, directives and flavorProperties", p.found)
		if ok {
			b.machines = append(b.machines, p.machine(e))
		}
	}
	return b
}

func (p *parser) machine(e *reader) machine {
	e.only("id", "type", "directives", "flavorProperties")
	e.need("id", "the name of a VNFC or VDU")
	e.need("type", "text such as vnfc or tosca.nodes.nfv.Vdu.Compute")
	e.need("directives", "a list of at least one {type, attributes}")
	m := machine{id: e.text("id"), kind: e.text("type"), directives: p.directives(e, "directives")}
	if len(m.directives) > 0 {
		if first, ok := m.directives[0].(map[string]any); ok {
			if list, ok := first["attributes"].([]any); ok && len(list) > 0 {
				if a, ok := list[0].(map[string]any); ok {
					m.label, _ = plain(a["attribute_name"])
				}
			}
		}
	}
	if !e.has("flavorProperties") {
		e.need("flavorProperties", "a list of features")
	}
	for i, item := range e.list("flavorProperties") {
		f, ok := open(item, fmt.Sprintf("%s[%d]", e.at("flavorProperties"), i), " that describes a feature", p.found)
		if ok {
			m.features = append(m.features, p.feature(f))
		}
	}
	return m
}

func (p *parser) directives(e *reader, key string) []any {
	list := e.list(key)
	for i, item := range list {
		d, ok := open(item, fmt.Sprintf("%s[%d]", e.at(key), i), " with type and attributes", p.found)
		if !ok {
			continue
		}
		d.only("type", "attributes")
		if !d.has("type") {
			d.need("type", "text")
		}
		for k, a := range d.list("attributes") {
			if x, ok := open(a, fmt.Sprintf("%s[%d]", d.at("attributes"), k), " with attribute_name and attribute_value", p.found); ok {
				x.only("attribute_name", "attribute_value")
				x.need("attribute_name", "text")
			}
		}
	}
	return list
}

func (p *parser) feature(f *reader) feature {
	f.only("hpa-feature", "hpa-version", "architecture", "mandatory", "directives", "hpa-feature-attributes", "score")
	x := feature{name: f.text("hpa-feature"), version: f.text("hpa-version"), architecture: f.text("architecture"), directives: p.directives(f, "directives")}
	f.need("hpa-feature", "the name of a feature, such as basicCapabilities")
	f.need("hpa-version", "the version of the feature, such as v1")
	f.need("architecture", "the architecture of the feature, such as generic")
	if !f.has("directives") {
		f.need("directives", "a list, which may be empty")
	}
	if v, ok := f.need("mandatory", `"True" or "False"`); ok {
		if x.mandatory, ok = ngsild.Truth(v); !ok {
			f.wrong("mandatory", v, `"True" or "False"`)
		} else if !x.mandatory {
			x.score = p.score(f)
		}
	}
	if !f.has("hpa-feature-attributes") {
		f.need("hpa-feature-attributes", "a list")
	}
	for i, item := range f.list("hpa-feature-attributes") {
		w, ok := open(item, fmt.Sprintf("%s[%d]", f.at("hpa-feature-attributes"), i), " with hpa-attribute-key, hpa-attribute-value and operator", p.found)
		if !ok {
			continue
		}
		w.only("hpa-attribute-key", "hpa-attribute-value", "operator", "unit")
		w.need("hpa-attribute-key", "the name of an attribute")
		value, _ := w.need("hpa-attribute-value", "text, a number or a list")
		x.wants = append(x.wants, want{w.text("hpa-attribute-key"), w.word("operator", hpaOperators...), value, w.text("unit")})
	}
	return x
}

func (p *parser) score(f *reader) int {
	v, ok := f.need("score", "a whole number, since the feature is not mandatory")
	if !ok {
		return 0
	}
	n, ok := number(v)
	if !ok || n != float64(int(n)) {
		f.wrong("score", v, "a whole number")
	}
	return int(n)
}

// hardware is what an hpa constraint made of one candidate.
type hardware struct {
	fits       bool
	score      int
	names, ids map[string]any // flavor by label
	directives []any
}

func (b *hpa) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	for i, it := range d.items {
		h := ev.hardware(c, b, d, it)
		if ok[i] = h.fits; !h.fits && len(it.c.flavors()) == 0 {
			ev.note(c, d, "have no flavors")
		}
	}
	return ok
}

// judge chooses a flavor for each machine.
func (b *hpa) judge(it *item) *hardware {
	h := &hardware{fits: true, names: map[string]any{}, ids: map[string]any{}}
	if !cloudLike(it.kind) {
		return h
	}
	flavors := it.c.flavors()
	for _, m := range b.machines {
		var best *flavor
		most := 0
		for i := range flavors {
			score, ok := flavors[i].score(m.features)
			if ok && (best == nil || score > most) {
				best, most = &flavors[i], score
			}
		}
		if best == nil {
			return &hardware{}
		}
		h.score += most
		if m.label != "" {
			h.names[m.label], h.ids[m.label] = best.name, best.id
		}
		h.directives = append(h.directives, m.direct(best))
	}
	return h
}

// direct writes the chosen flavor into the machine's directives.
func (m *machine) direct(f *flavor) any {
	var list []any
	for _, item := range m.directives {
		d, _ := item.(map[string]any)
		attributes, _ := d["attributes"].([]any)
		if d["type"] == "flavor_directives" {
			filled := slices.Clone(attributes)
			for i, a := range filled {
				if x, ok := a.(map[string]any); ok && i == 0 {
					filled[i] = map[string]any{"attribute_name": x["attribute_name"], "attribute_value": f.name}
				}
			}
			if len(filled) < 2 {
				filled = append(filled, map[string]any{"attribute_name": "flavorId", "attribute_value": f.id})
			}
			attributes = filled
		}
		list = append(list, map[string]any{"type": d["type"], "attributes": attributes})
	}
	for _, x := range m.features {
		for _, item := range x.directives {
			if d, ok := item.(map[string]any); ok && !empty(d["type"]) {
				list = append(list, d)
			}
		}
	}
	return map[string]any{"id": m.id, "type": m.kind, "directives": list}
}

// cloudLike reports whether hardware, capacity and network roles are asked of a
// type of candidate; serviceLike whether instances are.
func cloudLike(kind string) bool   { return kind == "cloud" || kind == element }
func serviceLike(kind string) bool { return kind == "service" || kind == component }

// unitFactor is the number of bytes in a unit of memory, 0 for any other unit.
func unitFactor(unit string) float64 {
	letters := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(unit)), "B"), "I")
	switch letters {
	case "K":
		return 1 << 10
	case "M":
		return 1 << 20
	case "G":
		return 1 << 30
	case "T":
		return 1 << 40
	}
	return 0
}
