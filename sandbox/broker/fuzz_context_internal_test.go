package broker

import (
	"strings"
	"testing"
)

// FuzzContext reads any @context: it gives names or a problem, the same each time,
// only documents that the broker was given count, and what a name was expanded to is
// shortened to what expands to it again.
func FuzzContext(f *testing.F) {
	for _, context := range []string{
		`"https://known.invalid/c.jsonld"`, `"https://unknown.invalid/c.jsonld"`, `["https://known.invalid/c.jsonld",{"a":"https://x.invalid/a"}]`,
		`{"a":{"@id":"x:a"},"b":{"@id":5},"@vocab":"https://v.invalid/"}`, `null`, `5`, `[]`, `{}`, `[[{"a":"b"}],{"a":"c","b":"c"}]`, `"file:///etc/passwd"`, `{"type":"@id","id":"x"}`,
	} {
		f.Add(context, "a")
	}
	b := New(Options{Contexts: map[string]map[string]string{"https://known.invalid/c.jsonld": {"a": "https://known.invalid/a"}}})
	f.Fuzz(func(t *testing.T, context, name string) {
		v, err := parse(context)
		if err != nil {
			return // FuzzParse has those
		}
		n, wrong := b.contextOf(v)
		if (n == nil) == (wrong == nil) {
			t.Fatalf("%s: names %v and problem %v", context, n, wrong)
		}
		again, _ := b.contextOf(v)
		if wrong != nil {
			if again != nil {
				t.Fatalf("%s is refused once", context)
			}
			return
		}
		for _, url := range n.urls {
			if url != "https://known.invalid/c.jsonld" && !strings.HasPrefix(url, coreFamily) {
				t.Fatalf("%s: %s counts, and the broker does not hold it", context, url)
			}
		}
		long := n.expand(name)
		if twice := again.expand(name); twice != long {
			t.Fatalf("%s: %q is %q, then %q", context, name, long, twice)
		}
		if short := n.compact(long); short != long && n.expand(short) != long {
			t.Fatalf("%s: %q is %q, which is %q, which is %q", context, name, long, short, n.expand(short))
		}
	})
}
