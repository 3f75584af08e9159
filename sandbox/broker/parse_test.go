package broker

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseKeepsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{`{}`, `{}`},
		{` [ ] `, `[]`},
		{`{"b":1,"a":{"z":[1,2.50,-3e-7]},"b":2}`, `{"b":1,"a":{"z":[1,2.50,-3e-7]},"b":2}`},
		{`[true,false,null,""]`, `[true,false,null,""]`},
		{`"é € 😀"`, `"é € 😀"`},
		{`"\u00e9\u20ac\ud83d\ude00"`, `"é€😀"`},
		{`"\"\\\/\b\f\n\r\t\u0001"`, `"\"\\/\b\f\n\r\t\u0001"`},
		{`"\ud83d"`, "\"\ufffd\""},
		{`9007199254740993`, `9007199254740993`},
		{strings.Repeat("[", 150) + strings.Repeat("]", 150), strings.Repeat("[", 150) + strings.Repeat("]", 150)},
	} {
		v, err := parse(c.in)
		if err != nil {
			t.Errorf("parse(%s): %v", c.in, err)
			continue
		}
		if diff := cmp.Diff(c.want, string(appendValue(nil, v))); diff != "" {
			t.Errorf("parse(%s) (-want +got):\n%s", c.in, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		``, ` `, `{`, `}`, `[1`, `[1,]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{'a':1}`, `{"a":1} x`, `[1 2]`,
		`"a`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\n\"", `tru`, `nul`, `-`, `+1`, `1.2.3`, `0x10`, `NaN`, `.5`, `{"a":1}{"b":2}`,
		strings.Repeat("[", 300) + strings.Repeat("]", 300),
	} {
		if v, err := parse(in); err == nil {
			t.Errorf("parse(%q) = %s, want an error", in, appendValue(nil, v))
		}
	}
}

// TestParseAgrees compares with encoding/json on random documents.
func TestParseAgrees(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		want := randomJSON(r, 4)
		raw, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		v, err := parse(string(raw))
		if err != nil {
			t.Fatalf("parse(%s): %v", raw, err)
		}
		var got any
		if err := json.Unmarshal(appendValue(nil, v), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s became %s: %v", raw, appendValue(nil, v), err)
		}
		if again := stored(string(appendValue(nil, v))); !equal(v, again) {
			t.Fatalf("%s is not equal to itself", raw)
		}
	}
}

func randomJSON(r *rand.Rand, depth int) any {
	n := r.IntN(7)
	if depth == 0 {
		n %= 4
	}
	switch n {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return float64(r.IntN(2000)-1000) / 8
	case 3:
		return fmt.Sprintf("%c%q\\\n%c", rune(r.IntN(0x3000)+1), "x", rune(0x1f600+r.IntN(64)))
	case 4:
		out := make([]any, r.IntN(4))
		for i := range out {
			out[i] = randomJSON(r, depth-1)
		}
		return out
	}
	out := map[string]any{}
	for range r.IntN(4) {
		out[fmt.Sprintf("k%d", r.IntN(9))] = randomJSON(r, depth-1)
	}
	return out
}

func TestEqual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{"a":1,"b":[1,{"c":2}]}`, `{"b":[1,{"c":2}],"a":1}`, true},
		{`{"a":1}`, `{"a":1,"b":1}`, false},
		{`{"a":1}`, `{"b":1}`, false},
		{`[1,2]`, `[2,1]`, false},
		{`1`, `"1"`, false},
		{`null`, `null`, true},
		{`true`, `false`, false},
	} {
		if got := equal(stored(c.a), stored(c.b)); got != c.want {
			t.Errorf("equal(%s, %s) = %t", c.a, c.b, got)
		}
	}
}

func TestCutTo32Bits(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`9007199254740993`:                      `1`,
		`2147483647`:                            `2147483647`,
		`2147483648`:                            `-2147483648`,
		`-3`:                                    `-3`,
		`1.5e+30`:                               `1.5e+30`,
		`[1,{"a":4294967298,"b":"4294967298"}]`: `[1,{"a":2,"b":"4294967298"}]`,
	} {
		v := stored(in)
		if got := string(appendValue(nil, cut(v))); got != want {
			t.Errorf("cut(%s) = %s, want %s", in, got, want)
		}
		if got := string(appendValue(nil, v)); got != in {
			t.Errorf("cut changed its argument from %s to %s", in, got)
		}
	}
}
