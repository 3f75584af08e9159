package agent

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeReasonsAndTroubleshooting: the page says what helps for every reason that the README lists, and nothing
// of others; and it has every line of /readyz.
func TestReadmeReasonsAndTroubleshooting(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	words := func(pattern, in string) map[string]bool {
		found := map[string]bool{}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(in, -1) {
			found[m[1]] = true
		}
		return found
	}
	// column has the words in the first column of the tables of a section.
	column := func(section string) map[string]bool {
		_, rest, ok := strings.Cut(string(text), "\n## "+section+"\n")
		if !ok {
			t.Fatalf("the page has no section %q", section)
		}
		rest, _, _ = strings.Cut(rest, "\n## ")
		found := map[string]bool{}
		for row := range strings.Lines(rest) {
			if cells := strings.SplitN(row, "|", 3); len(cells) == 3 {
				for word := range words("`([^`]+)`", cells[1]) {
					found[word] = true
				}
			}
		}
		return found
	}
	said := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for word := range words(`(?:\bh\.set\(|health\.set\(|checks\[|reload\{+what: |certificates\{what: |newOutgoing\(|details: map\[string\]string\{)"(\w+)"`, string(source)) {
			said[word] = true
		}
	}
	compare(t, "reasons", words("`(\\w+)`", reasonsTable(t)), column("Every reason"))
	compare(t, "lines of /readyz", said, column("Every line of /readyz"))
}

func compare(t *testing.T, what string, want, got map[string]bool) {
	t.Helper()
	if len(want) < 6 {
		t.Errorf("only %d %s found in the sources", len(want), what)
	}
	for word := range want {
		if !got[word] {
			t.Errorf("of the %s, docs/troubleshooting.md lacks %s", what, word)
		}
	}
	for word := range got {
		if !want[word] {
			t.Errorf("docs/troubleshooting.md has %s, which is none of the %s", word, what)
		}
	}
}
