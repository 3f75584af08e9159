package plans

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/homing"
)

// Bounds of what may be asked for.
const (
	usualTimeout  = 10 * time.Second
	mostTimeout   = 480 * time.Second
	usualHold     = time.Minute // time enough to place what was planned
	mostHold      = time.Hour
	mostSolutions = 100
	mostName      = 256
)

// order is what a request asks for. It is kept with the plan as JSON.
type order struct {
	Name       string            `json:"name"`
	Template   string            `json:"template"` // YAML or JSON
	Files      map[string]string `json:"files,omitempty"`
	Parameters map[string]any    `json:"parameters,omitempty"`
	Solutions  int               `json:"num_solution"`
	Disjoint   bool              `json:"disjoint,omitempty"`
	Seconds    int               `json:"timeout"`
	Hold       int               `json:"hold"` // seconds
}

func (o *order) timeout() time.Duration { return time.Duration(o.Seconds) * time.Second }

// parse reads the order's template.
func (o *order) parse() (*homing.Template, []*homing.PathError) {
	files := make(map[string][]byte, len(o.Files))
	for name, text := range o.Files {
		files[name] = []byte(text)
	}
	t, wrong := homing.Parse([]byte(o.Template), files, o.Parameters)
	return t, within(wrong)
}

// within are errors of a template as errors of an order.
func within(wrong []*homing.PathError) []*homing.PathError {
	all := make([]*homing.PathError, len(wrong))
	for i, e := range wrong {
		all[i] = &homing.PathError{Path: strings.TrimSuffix("template."+e.Path, "."), Message: e.Message}
	}
	return all
}

var orderKeys = []string{"name", "template", "files", "parameters", "num_solution", "limit", "disjoint", "timeout", "hold", "id", "template_url"}

// decodeOrder reads a request's body, and reports everything wrong with it. The
// template itself is not looked into.
func decodeOrder(body []byte) (order, []*homing.PathError) {
	o := order{Solutions: 1, Seconds: int(usualTimeout / time.Second), Hold: int(usualHold / time.Second)}
	d := &orderDecoder{}
	members := d.members(body)
	if members == nil {
		return o, d.errs
	}
	d.text(members["name"], "name", &o.Name)
	if len(o.Name) > mostName {
		d.bad("name", "accepted is text of up to %d bytes", mostName)
	}
	d.template(members["template"], &o)
	d.into(members["files"], "files", "a mapping of names to texts", &o.Files)
	d.into(members["parameters"], "parameters", "a mapping of names to values", &o.Parameters)
	d.into(members["disjoint"], "disjoint", "true or false", &o.Disjoint)
	d.solutions(members["limit"], "limit", &o.Solutions)
	d.solutions(members["num_solution"], "num_solution", &o.Solutions)
	if raw := members["timeout"]; raw != nil && (json.Unmarshal(raw, &o.Seconds) != nil || o.Seconds < 1 || o.timeout() > mostTimeout) {
		d.bad("timeout", "accepted are whole seconds from 1 to %d", mostTimeout/time.Second)
	}
	if raw := members["hold"]; raw != nil && (json.Unmarshal(raw, &o.Hold) != nil || o.Hold < 0 || o.Hold > int(mostHold/time.Second)) {
		d.bad("hold", "accepted are whole seconds from 0 to %d", mostHold/time.Second)
	}
	return o, d.errs
}

// orderDecoder collects what is wrong.
type orderDecoder struct{ errs []*homing.PathError }

func (d *orderDecoder) bad(path, format string, args ...any) {
	d.errs = append(d.errs, &homing.PathError{Path: path, Message: fmt.Sprintf(format, args...)})
}

// members splits the body, without the members that are null; nil when it is no
// object.
func (d *orderDecoder) members(body []byte) map[string]json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		d.bad("", "the body is no JSON object")
		return nil
	}
	members, seen := map[string]json.RawMessage{}, map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		key, _ := t.(string)
		var raw json.RawMessage
		if err == nil {
			err = dec.Decode(&raw)
		}
		if err != nil {
			d.bad("", "the body is no JSON: %v", err)
			return nil
		}
		switch {
		case seen[key]:
			d.bad(key, "occurs twice: accepted is each member once")
		case !slices.Contains(orderKeys, key):
			d.bad(key, "unknown member: accepted is one of %s", strings.Join(orderKeys, ", "))
		case string(raw) != "null":
			members[key] = raw
		}
		seen[key] = true
	}
	if _, err := dec.Token(); err != nil {
		d.bad("", "the body is no JSON: %v", err)
		return nil
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		d.bad("", "there is something after the JSON object")
	}
	return members
}

func (d *orderDecoder) into(raw json.RawMessage, path, accepted string, to any) {
	if raw != nil && json.Unmarshal(raw, to) != nil {
		d.bad(path, "accepted is %s", accepted)
	}
}

func (d *orderDecoder) text(raw json.RawMessage, path string, to *string) {
	d.into(raw, path, "text", to)
}

// template keeps the template's own text, so that what is wrong with it can be
// told by line.
func (d *orderDecoder) template(raw json.RawMessage, o *order) {
	const accepted = "a template as a mapping, or as YAML or JSON text"
	switch {
	case raw == nil:
		d.bad("template", "required, and missing: accepted is %s", accepted)
	case raw[0] == '"':
		d.text(raw, "template", &o.Template)
	case raw[0] == '{':
		o.Template = string(raw)
	default:
		d.bad("template", "accepted is %s", accepted)
	}
}

// solutions reads a number, also as text, or "all".
func (d *orderDecoder) solutions(raw json.RawMessage, path string, to *int) {
	if raw == nil {
		return
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	switch {
	case strings.EqualFold(text, "all"):
		*to = mostSolutions
	case err != nil || n < 1:
		d.bad(path, `accepted is a whole number from 1, or "all"; at most %d come`, mostSolutions)
	default:
		*to = min(n, mostSolutions)
	}
}
