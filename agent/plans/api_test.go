package plans

import (
	"strings"
	"testing"
)

// TestLife takes plans to each of their ends.
func TestLife(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	s.run()
	best := s.create(body(apart))
	three := s.create(body(apart, `"num_solution": "all", `))
	two := s.create(body("", `"limit": 2, "timeout": 30, `))
	disjoint := s.create(body("", `"num_solution": 9, "disjoint": true, `))
	none := s.create(body(apart + `, "together": {"type": "zone", "demands": ["a", "b"], "properties": {"qualifier": "same", "category": "region"}}`))
	nobody := s.create(body(`"fit": {"type": "vim_fit", "demands": "a", "properties": {"controller": "multicloud", "request": {"vCPU": 1}}}`))
	file := s.create(`{"files": {"k": "r2"}, "parameters": {"where": {"get_file": "k"}}, "template": "{homing_template_version: 2018-02-01, parameters: {where: r1}, demands: {a: [{inventory_provider: aai, inventory_type: cloud, region: {get_param: where}}], b: [{inventory_provider: aai, inventory_type: cloud}]}}"}`)
	empty := s.create(strings.Replace(body(apart), `"cloud"}`, `"cloud", "region": "r9"}`, 1))
	for id, want := range map[string]struct {
		status  Status
		places  string
		message string
	}{
		best: {Done, "c1+c2", ""}, three: {Done, "c1+c2 c2+c1", ""}, two: {Done, "c1+c1 c1+c2", ""}, disjoint: {Done, "c1+c1 c2+c2", ""},
		file:   {Done, "c2+c1", ""},
		none:   {NotFound, "", "no assignment satisfies the constraints; these cannot hold together: apart, together"},
		nobody: {NotFound, "", "no assignment satisfies the constraints; these cannot hold together: fit"},
		empty:  {Failed, "", "template.demands.a: Unable to find any candidate for demand a: of 2 candidates of the inventory (0 not ready, 0 with figures too old) none has the type, provider and attributes that its requirements ask for"},
	} {
		v := s.wait(id)
		if v.Status != want.status || places(v) != want.places || v.Message != want.message {
			t.Errorf("got %s %q %q, want %s %q %q", v.Status, places(v), v.Message, want.status, want.places, want.message)
		}
	}
	v := s.wait(best)
	if v.Name != "mine" || v.Optimal == nil || !*v.Optimal || v.Objectives[0].Value != 3 || len(v.Objectives[0].Terms) == 0 || v.RunnerUp == nil || *v.Gap != 0 {
		t.Errorf("got %+v", v)
	}
	if v := s.wait(nobody); len(v.Notes) != 1 || !strings.Contains(v.Notes[0], `"multicloud" gave no answer: not configured`) {
		t.Errorf("notes %q do not name the system", v.Notes)
	}
	code, text := s.call("GET", "/v1/plans", "")
	if code != 200 || strings.Count(text, `"status"`) != 8 || strings.Contains(text, "recommendations") {
		t.Errorf("got %d %s", code, text)
	}
	if code, _ := s.call("DELETE", "/v1/plans/"+best, ""); code != 204 {
		t.Errorf("delete: %d", code)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if code, _ := s.call(method, "/v1/plans/"+best, ""); code != 404 {
			t.Errorf("%s after the delete: %d", method, code)
		}
	}
}

// TestRefusals: what is wrong is told at once, all of it, and becomes no plan.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	wrong := strings.NewReplacer("aai", "x", "different", "other").Replace(body(apart))
	for name, c := range map[string]struct {
		method, target, body string
		code                 int
		want                 []string
	}{
		"template":    {"POST", "/v1/plans", wrong, 400, []string{`"template.demands.a[0].inventory_provider"`, `"template.demands.b[0].inventory_provider"`, `"template.constraints.apart.properties.qualifier"`}},
		"validate":    {"POST", "/v1/plans/validate", wrong, 422, []string{`"template.demands.a[0].inventory_provider"`, `"template.constraints.apart.properties.qualifier"`}},
		"dry run":     {"POST", "/v1/plans?dry_run=translate", wrong, 422, []string{`"template.demands.a[0].inventory_provider"`}},
		"no region":   {"POST", "/v1/plans/validate", strings.Replace(body(""), `"cloud"}`, `"cloud", "region": "r9"}`, 1), 422, []string{`"template.demands.a"`}},
		"a line":      {"POST", "/v1/plans", `{"template": "demands: {}\ndemands: {}\n"}`, 400, []string{"in line 1 and in line 2"}},
		"duplicates":  {"POST", "/v1/plans", `{"template": {"demands": {}, "demands": {}}}`, 400, []string{"occurs twice"}},
		"members":     {"POST", "/v1/plans", `{"templat": {}, "name": 3, "files": [], "parameters": 1, "timeout": 0, "num_solution": "none", "limit": -1, "name": "x", "disjoint": "no"}`, 400, []string{`{"path":"name","message":"occurs twice`, `"templat","message":"unknown member: accepted is one of name, template,`, `"template","message":"required, and missing`, `"path":"files"`, `"path":"parameters"`, `"path":"timeout"`, `"path":"num_solution"`, `"path":"limit"`, `"path":"disjoint"`}},
		"no mapping":  {"POST", "/v1/plans", `{"template": 3}`, 400, []string{`"path":"template"`}},
		"no object":   {"POST", "/v1/plans", `[]`, 400, []string{"the body is no JSON object"}},
		"half":        {"POST", "/v1/plans", `{"template"`, 400, []string{"the body is no JSON"}},
		"more":        {"POST", "/v1/plans", `{"template": {}} {}`, 400, []string{"something after"}},
		"large":       {"POST", "/v1/plans", `{"template": "` + strings.Repeat("x", mostBody) + `"}`, 413, []string{"524288 bytes"}},
		"large text":  {"POST", "/v1/plans", `{"files": {"f": "` + strings.Repeat("<", mostBody*9/20) + `"}, ` + body("")[1:], 413, []string{"524288 bytes"}},
		"no plan":     {"GET", "/v1/plans/nobody", "", 404, []string{"There is no plan of this id"}},
		"no path":     {"GET", "/v1/nothing", "", 404, nil},
		"PUT":         {"PUT", "/v1/plans", "{}", 405, []string{"does not take the method"}},
		"two names":   {"POST", "/v1/plans", `{"name": "a", "name": "b", "template": {}}`, 400, []string{`"path":"name"`}},
		"a long name": {"POST", "/v1/plans", `{"name": "` + strings.Repeat("n", 300) + `", ` + body("")[len(`{"name": "mine", `):], 400, []string{`"path":"name"`}},
	} {
		code, text := s.call(c.method, c.target, c.body)
		if code != c.code {
			t.Errorf("%s: got %d, want %d: %s", name, code, c.code, text)
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s in %s", name, want, text)
			}
		}
	}
	if code, text := s.call("GET", "/v1/plans", ""); code != 200 || text != `{"plans":[]}`+"\n" {
		t.Errorf("got %d %s, want no plans", code, text)
	}
	if code, text := s.call("POST", "/v1/plans/validate", body(apart)); code != 200 || !strings.Contains(text, `"candidates":{"a":2,"b":2}`) {
		t.Errorf("validate: %d %s", code, text)
	}
	if code, text := s.call("POST", "/v1/plans?dry_run=translate", body(apart)); code != 200 || !strings.Contains(text, `"valid":true`) {
		t.Errorf("dry run: %d %s", code, text)
	}
	for _, target := range []string{"/v1/plans/healthcheck", "/v1/openapi.json", "/"} {
		if code, text := s.call("GET", target, ""); code != 200 {
			t.Errorf("%s: %d %s", target, code, text)
		}
	}
	s.down.Store(true)
	for _, c := range [][2]string{{"GET", "/v1/plans"}, {"GET", "/v1/plans/x"}, {"DELETE", "/v1/plans/x"}, {"POST", "/v1/plans"}} {
		order := ""
		if c[0] == "POST" {
			order = body(apart)
		}
		if code, text := s.call(c[0], c[1], order); code != 503 || strings.Contains(text, "down") {
			t.Errorf("%s %s while the broker is down: %d %s", c[0], c[1], code, text)
		}
	}
}
