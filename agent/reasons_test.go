package agent

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// reasonConstants are the values of all constants in a file whose names begin with
// one of the words.
func reasonConstants(t *testing.T, path string, words ...string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(spec.Names[0].Name, word) }) {
			values = append(values, strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`))
		}
		return true
	})
	if len(values) < 5 {
		t.Fatalf("%s: only %d reasons found", path, len(values))
	}
	return values
}

// Every reason that can be written has words for people, and nothing else has.
func TestEveryReasonIsExplained(t *testing.T) {
	t.Parallel()
	var want []string
	want = append(want, reasonConstants(t, "report.go", "reason")...)
	want = append(want, reasonConstants(t, "../mapping/errors.go", "Reason")...)
	want = append(want, reasonConstants(t, "reasons.go", "seen")...)
	slices.Sort(want)
	got := slices.Sorted(maps.Keys(explanations()))
	if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
		t.Errorf("reasons and explanations (-reasons +explained): %s", diff)
	}
	for reason, x := range explanations() {
		if len(x.why) < 15 || len(x.help) < 10 {
			t.Errorf("%s: %q, %q: too little is said", reason, x.why, x.help)
		}
		for _, text := range []string{x.why, x.help} {
			if strings.HasSuffix(text, ".") || text != strings.TrimSpace(text) {
				t.Errorf("%s: %q is no part of a sentence", reason, text)
			}
		}
	}
}

// What stands in braces is known.
func TestExplanationsAreFilledIn(t *testing.T) {
	t.Parallel()
	loaded, err := loadRules(&Config{Namespace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	s := &sight{program: "hlo-agent", reconciler: &reconciler{cfg: Config{Namespace: "default"}}}
	c := &seen{pass: &pass{view: view{id: "urn:ngsi-ld:Service:s:Component:c"}, rules: loaded}}
	words := s.words(c)
	for reason, x := range explanations() {
		for _, text := range []string{x.why, x.help} {
			if left := regexp.MustCompile(`[{}]`).FindString(words.Replace(text)); left != "" {
				t.Errorf("%s: %q is not filled in", reason, words.Replace(text))
			}
		}
	}
}

// What orchestrators say in their own words is recognised.
func TestForeignReasonsAreExplained(t *testing.T) {
	t.Parallel()
	all := explanations()
	for said, want := range map[[2]string]string{
		{"ImagePullBackOff", ""}:                           seenImage,
		{"ErrImagePull", ""}:                               seenImage,
		{"Failed", "reason=ErrImageNeverPull"}:             seenImage,
		{"CrashLoopBackOff", "back-off 5m0s"}:              seenCrash,
		{"OOMKilled", ""}:                                  seenMemory,
		{"Unschedulable", "0/3 nodes are available"}:       seenNowhere,
		{"Starting", "0/1 nodes: insufficient memory"}:     seenNowhere,
		{"SomethingNew", "the orchestrator's own words"}:   seenNothingKnown,
		{reasonDeadlineExceeded, "last: ImagePullBackOff"}: reasonDeadlineExceeded,
	} {
		if got := explained(said[0], said[1]); got != all[want] {
			t.Errorf("%q: %+v, want that of %s", said, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	ids := []ngsild.EntityID{"urn:ngsi-ld:Service:a:Component:web", "urn:ngsi-ld:Service:b:Component:web", "urn:ngsi-ld:Service:a:Component:db", "urn:x:loner"}
	names := map[ngsild.EntityID]string{ids[1]: "aeros-b-web"}
	for word, want := range map[string]string{
		string(ids[1]): string(ids[1]), "a/web": string(ids[0]), "db": string(ids[2]), "Component:db": string(ids[2]),
		"aeros-b-web": string(ids[1]), "loner": string(ids[3]),
		"web":                   `"web" may be one of 2 ServiceComponents: a/web, b/web`,
		"eb":                    `no ServiceComponent is called "eb"; perhaps one of these is meant: a/web, b/web`,
		"a:db":                  `no ServiceComponent is called "a:db"; there are a/web, b/web, a/db, loner`,
		"a":                     `no ServiceComponent is called "a"; it is a service, and its components are a/web, a/db`,
		"urn:ngsi-ld:Service:b": `no ServiceComponent is called "urn:ngsi-ld:Service:b"; it is a service, and its components are b/web`,
	} {
		got, err := find(ids, names, word)
		if err != nil {
			got = ngsild.EntityID(err.Error())
		}
		if string(got) != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
	if _, err := find(nil, nil, "x"); err == nil || !strings.HasSuffix(err.Error(), ": there are none") {
		t.Errorf("of nothing: %v", err)
	}
}

func TestShortOfOtherShapes(t *testing.T) {
	t.Parallel()
	for id, want := range map[ngsild.EntityID]string{
		"urn:ngsi-ld:Service:s:Component:c": "s/c", "urn:ngsi-ld:ServiceComponent:c7": "c7", "c": "c", "": "",
	} {
		if got := short(id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}
