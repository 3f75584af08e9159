package broker

import "testing"

func filtered() *entity {
	e := &entity{id: "urn:x:1", typ: "T"}
	for _, a := range []struct{ name, body string }{
		{"status", `{"type":"Property","value":"Running"}`},
		{"cpu", `{"type":"Property","value":7.5,"unit":{"type":"Property","value":"P1"}}`},
		{"up", `{"type":"Property","value":true}`},
		{"runsOn", `{"type":"Relationship","object":["urn:ie:1","urn:ie:2"]}`},
		{"address", `{"type":"Property","value":{"city":{"name":"Porto"},"zip":4000}}`},
		{"seen", `{"type":"Property","value":"2026-01-01T00:00:00Z"}`},
		{"https://a.example/x.y", `{"type":"Property","value":1}`},
	} {
		e.attrs = append(e.attrs, attribute{name: a.name, body: a.body})
	}
	return e
}

func TestFilter(t *testing.T) {
	t.Parallel()
	e := filtered()
	for q, want := range map[string]bool{
		`status`:                      true,
		`nope`:                        false,
		`!nope`:                       true,
		`!status`:                     false,
		`status=="Running"`:           true,
		`status==%22Running%22`:       true,
		`status=="Failed"`:            false,
		`status!="Failed"`:            true,
		`status!="Running"`:           false,
		`nope!="x"`:                   false,
		`status=="Failed","Running"`:  true,
		`status!="Failed","Running"`:  false,
		`cpu==7.5`:                    true,
		`cpu>7`:                       true,
		`cpu>7.5`:                     false,
		`cpu>=7.5`:                    true,
		`cpu<8`:                       true,
		`cpu<=7`:                      false,
		`cpu==7..8`:                   true,
		`cpu==8..9`:                   false,
		`cpu!=8..9`:                   true,
		`cpu=="7.5"`:                  false,
		`cpu>"a"`:                     false,
		`up==true`:                    true,
		`up==false`:                   false,
		`runsOn=="urn:ie:2"`:          true,
		`runsOn=="urn:ie:3"`:          false,
		`cpu.unit=="P1"`:              true,
		`cpu.nope`:                    false,
		`address[zip]==4000`:          true,
		`address[city.name]=="Porto"`: true,
		`address[city.nope]`:          false,
		`seen>=2026-01-01T00:00:00Z`:  true,
		`seen>2026-06-01T00:00:00Z`:   false,
		`status~="^Run"`:              true,
		`status!~="^Run"`:             false,
		`https://a.example/x.y==1`:    true,
		`cpu>9;status=="Running"`:     false,
		`cpu>9|status=="Running"`:     true,
		`nope|cpu>9;status`:           false,
		`(nope|status);cpu>7`:         true,
		`((status))`:                  true,
		`!nope;(status=="Failed"|(up==true;cpu<99))`: true,
	} {
		f, p := parseQ(q, coreNames())
		if p != nil {
			t.Errorf("parseQ(%s): %s: %s", q, p.title, p.detail)
			continue
		}
		if got := f.matches(e); got != want {
			t.Errorf("%s: got %t, want %t", q, got, want)
		}
	}
	if !(*filter)(nil).matches(e) {
		t.Error("no filter refuses the entity")
	}
}

func TestFilterRefuses(t *testing.T) {
	t.Parallel()
	for q, detail := range map[string]string{
		`((`:           "expression can't end in a '('",
		`(`:            "expression can't end in a '('",
		`status==bad`:  "Variable",
		`a==urn:x:1`:   "Variable",
		`a==`:          "Variable",
		`a=="x`:        "string not terminated",
		`(a`:           "mismatching parenthesis",
		`a)`:           "syntax error",
		``:             "no attribute name",
		`a;`:           "no attribute name",
		`a|`:           "no attribute name",
		`==1`:          "no attribute name",
		`a=1`:          "syntax error",
		`a~="["`:       "invalid regular expression",
		`a=="x""y"`:    "syntax error",
		`a==1..`:       "Variable",
		`!a=="x"`:      "syntax error",
		`a=="x",b==1`:  "Variable",
		`a=="x";;b==1`: "no attribute name",
	} {
		f, p := parseQ(q, coreNames())
		if p == nil {
			t.Errorf("parseQ(%s) = %s, want a problem", q, f)
			continue
		}
		if p.status != 400 || p.title != "Invalid Q-Filter" || p.detail != detail {
			t.Errorf("parseQ(%s): got %d %s: %s, want detail %s", q, p.status, p.title, p.detail, detail)
		}
	}
}

func TestFilterReadBack(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]string{
		`cpu>5`:                 `cpu>5`,
		`status=="bad"`:         `status==%22bad%22`,
		`cpu>5;status=="bad"`:   `cpu>5;status==%22bad%22`,
		`cpu>5|status=="b","c"`: `cpu>5|status==%22b%22,%22c%22`,
		`status`:                ``,
		`!status`:               `!`,
		`status!="x"`:           `!`,
	} {
		f, p := parseQ(q, coreNames())
		if p != nil {
			t.Fatal(p.detail)
		}
		if got := f.String(); got != want {
			t.Errorf("%s is read back as %q, want %q", q, got, want)
		}
	}
}
