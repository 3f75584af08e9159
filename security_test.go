package hloagent_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each test that SECURITY.md names is there, in the package that stands before it.
func TestSecurityPageNamesTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	folder, named := "", 0
	for _, m := range regexp.MustCompile("`([a-z/]+)`:|\\b((?:Test|Fuzz)[A-Z]\\w+)").FindAllStringSubmatch(string(text), -1) {
		if m[1] != "" {
			folder = m[1]
			continue
		}
		named++
		if !declares(t, folder, m[2]) {
			t.Errorf("%s has no %s", folder, m[2])
		}
	}
	if named < 40 {
		t.Errorf("only %d tests are named", named)
	}
}

func declares(t *testing.T, folder, test string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}
