package systems

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFileErrors wants everything wrong at once, and what would be accepted.
func TestFileErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"empty":          {"", []string{"the file is empty: accepted is a mapping with systems"}},
		"no systems":     {"systems: []", []string{"systems: accepted is a list of at least one"}},
		"two documents":  {"systems: [{name: a, kind: vim, url: http://x}]\n---\nsystems: []", []string{"more than one document: accepted is one"}},
		"not YAML":       {"systems: [", []string{"not YAML: yaml: line 1: did not find expected node content"}},
		"unknown things": {"systems:\n- {name: a, kind: vim, url: http://x, retries: 3}\n- {nam: b}\n", []string{"line 2: unknown key retries: accepted is one of name, kind, url, reserveUrl, entities, timeout, tokenFile, basicAuthFile, caFile", "line 3: unknown key nam: accepted is one of name, kind, url, reserveUrl, entities, timeout, tokenFile, basicAuthFile, caFile", `systems[1].name: required, and missing: accepted is the name that templates use, or *`, `systems[1].kind: "": accepted is one of vim, service, license, network`, "systems[1].url: accepted is either url or entities"}},
		"a wrong type":   {"systems: [{name: a, kind: vim, url: http://x, timeout: soon}]", []string{"line 1: cannot unmarshal !!str `soon` into time.Duration"}},
		"twice":          {"systems: [{name: a, kind: vim, url: http://x}, {name: A, kind: vim, url: http://x}]", []string{`systems[1].name: a vim system "A" is there already: accepted is each once`}},
		"urls": {"systems: [{name: a, kind: vim, url: ftp://x}, {name: b, kind: service, reserveUrl: 'http://u:p@x'}, {name: c, kind: license, url: http://x, reserveUrl: http://x}]",
			[]string{"systems[0].url: accepted is an http:// or https:// address without user and password", "systems[1].reserveUrl: accepted is an http:// or https:// address without user and password", "systems[2].reserveUrl: only a service system reserves"}},
		"files":     {"systems: [{name: a, kind: vim, url: http://x, tokenFile: /nowhere/token}]", []string{"systems[0].tokenFile: open /nowhere/token: no such file or directory"}},
		"no CA":     {"systems: [{name: a, kind: vim, url: http://x, caFile: /dev/null}]", []string{"systems[0].caFile: no certificate in /dev/null"}},
		"timeout":   {"systems: [{name: a, kind: vim, url: http://x, timeout: 1h}]", []string{"systems[0].timeout: 1h0m0s: accepted is from 10ms to 1m0s"}},
		"both":      {"systems: [{name: a, kind: vim, url: http://x, entities: {type: T, amounts: {a: b}}}]", []string{"systems[0].url: accepted is either url or entities"}},
		"a licence": {"systems: [{name: a, kind: license, entities: {q: x}}]", []string{"systems[0].entities.type: required, and missing: accepted is a type of entities", "systems[0].entities.candidate: required, and missing: accepted is the attribute that holds the candidates with a licence"}},
		"a network": {"systems: [{name: a, kind: network, entities: {type: T, key: k}}]", []string{"systems[0].entities.key: not for kind network: accepted is type, q, from, to, bandwidth, latency, distance, oneWay"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New([]byte(test.file), Config{})
			if err == nil {
				t.Fatal("got no error")
			}
			if diff := cmp.Diff(test.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDocumentedFile reads the example of docs/homing.md.
func TestDocumentedFile(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/homing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```yaml systems\n")
	text, _, ok := strings.Cut(text, "```")
	set, err := New([]byte(text), Config{})
	if !ok || err != nil || len(set.all) != 4 {
		t.Errorf("got %v, %v", set, err)
	}
}
