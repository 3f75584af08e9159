package broker

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzParse reads any JSON as the standard library does, and writes what it reads the same again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{`{"a":[1,-0.5e3,true,null,"\\u00e9\\ud83d\\ude00"],"":{}}`, ` [ ] `, `"\\"`, `{"a":1,"a":2}`, "1e999", "[[[["} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parse(text)
		if err != nil {
			if json.Valid([]byte(text)) && utf8.ValidString(text) && len(text) < 50 {
				t.Fatalf("%q is refused: %v", text, err)
			}
			return
		}
		written := string(appendValue(nil, v))
		again, err := parse(written)
		if err != nil {
			t.Fatalf("%q was written as %q: %v", text, written, err)
		}
		if twice := string(appendValue(nil, again)); twice != written {
			t.Fatalf("%q, then %q", written, twice)
		}
	})
}

// FuzzQ reads any query.
func FuzzQ(f *testing.F) {
	for _, q := range []string{`a==1;b!="x"|(c>2;d)`, "!a", "a[b.c]~=x.*", `a=="x","y"`, "a==1..5", "((", "a.b==urn:x:y"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		found, wrong := parseQ(q, &names{})
		if (found == nil) != (wrong != nil) {
			t.Fatalf("filter %v, problem %v", found, wrong)
		}
		if found != nil {
			_ = found.String() // must not break
		}
	})
}
