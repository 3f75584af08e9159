package homing

import (
	"maps"
	"slices"
)

// Template is a homing template that was read and found right. It may be used by
// several goroutines at once.
type Template struct {
	// Version is the template's homing_template_version.
	Version string
	// Warnings are what was ignored, and may not have been meant so.
	Warnings []*PathError

	locations    map[string]location
	demands      []*demand     // by name
	constraints  []*constraint // by name
	objective    *objective    // nil for the default
	reservations []Reservation
	requestType  string // "speed changed" asks for a placement anew
}

// versions are those that this engine reads; genericVersion is the one whose
// optimization has the generic form.
var versions = []string{"2016-11-01", "2017-10-10", "2018-02-01", genericVersion}

const genericVersion = "2020-08-13"

// Demands returns the names of the template's demands, in order.
func (t *Template) Demands() []string {
	names := make([]string, len(t.demands))
	for i, d := range t.demands {
		names[i] = d.name
	}
	return names
}

// Rehome reports whether the template's request_type asks for a placement anew
// ("speed changed"): recommendations then tell who moves.
func (t *Template) Rehome() bool { return t.requestType == "speed changed" }

// Parse reads a template in YAML or JSON. files are what {get_file: …} may name;
// params override the template's own parameters. Everything wrong is returned at
// once, sorted by path; the template is nil then. None of the arguments is changed.
func Parse(template []byte, files map[string][]byte, params map[string]any) (*Template, []*PathError) {
	found := &findings{}
	document := readDocument(template, found)
	if document == nil {
		return nil, found.sorted()
	}
	p := &parser{found: found, t: &Template{}, kinds: kinds()}
	p.run(document, files, params)
	if len(found.list) > 0 {
		return nil, found.sorted()
	}
	return p.t, nil
}

// parser reads the sections of one template.
type parser struct {
	found *findings
	warn  findings
	t     *Template
	kinds map[string]kind
	names map[string]bool // declared demands
}

var sections = []string{"homing_template_version", "parameters", "locations", "demands", "constraints", "reservations", "reservation", "optimization"}

func (p *parser) run(document map[string]any, files map[string][]byte, params map[string]any) {
	for _, key := range sortedKeys(document) {
		if !slices.Contains(sections, key) && key != "transaction-id" {
			p.warn.add(key, "unknown section, ignored: known is %s", oneOf(sections))
		}
	}
	known := map[string]any{}
	if own, ok := document["parameters"].(map[string]any); ok {
		maps.Copy(known, own)
	} else if v := document["parameters"]; v != nil {
		p.found.add("parameters", "%s: accepted is a mapping", kindOf(v))
	}
	maps.Copy(known, params)
	s := &intrinsics{params: known, files: files, found: p.found}
	body := map[string]any{}
	for key, v := range document {
		if key != "parameters" && v != nil {
			body[key] = s.replace(v, key, 0)
		}
	}
	p.version(body)
	p.request(known)
	p.locations(body["locations"])
	p.demands(body["demands"])
	p.constraints(body["constraints"])
	p.reservations(body)
	p.optimization(body["optimization"])
	p.t.Warnings = p.warn.sorted()
}

func (p *parser) version(body map[string]any) {
	v, ok := body["homing_template_version"]
	text, isText := v.(string)
	switch {
	case !ok:
		p.found.add("homing_template_version", "required, and missing: must be %s", oneOf(versions))
	case isText && len(text) > 10 && (text[10] == 'T' || text[10] == ' '):
		text = text[:10] // a date that somebody wrote with its time
		fallthrough
	default:
		if !slices.Contains(versions, text) && v != (any)(unresolved{}) {
			p.found.add("homing_template_version", "%s is not supported: must be %s", kindOf(v), oneOf(versions))
		}
		p.t.Version = text
	}
}

func (p *parser) request(params map[string]any) {
	for _, name := range []string{"request_type", "REQUEST_TYPE"} {
		if text, _ := params[name].(string); text != "" {
			p.t.requestType = text
		}
	}
}
