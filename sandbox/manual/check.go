package manual

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// pageTime is the longest that a page may take, on a machine with much else to do: after it something hangs.
const pageTime = 10 * time.Minute

var installPattern = regexp.MustCompile(`(^|[;&|(]\s*)(helm |make (deploy|manifests|release|chart|helm-upload))`)

// OfInstall says whether a page has commands that need Helm, so that the tests of the module install play it.
func (t *Table) OfInstall(steps []Step) bool {
	for _, s := range steps {
		if typed, ours := t.typed(s.Text); ours && s.File == "" && installPattern.MatchString(typed) {
			return true
		}
	}
	return false
}

// reporter is a test.
type reporter interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
}

// Check plays a page, and compares what was printed with what it says, or writes that into the page in root.
func Check(t reporter, stage *Stage, table *Table, steps []Step, root string, update bool) {
	t.Helper()
	if len(steps) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), pageTime)
	defer cancel()
	printed, err := stage.Play(ctx, table, steps)
	if err != nil {
		t.Errorf("%v", err)
		return
	}
	if update {
		if err := write(root, steps, printed); err != nil {
			t.Errorf("%v", err)
		}
		return
	}
	for i, s := range steps {
		if got, want := Comparable(printed[i]), Comparable(s.Printed); s.from >= 0 && got != want {
			t.Errorf("%s:%d: %s\nprints\n%s\nthe page says\n%s", s.Page, s.Line, s.Text, got, want)
		}
	}
}

func write(root string, steps []Step, printed []string) error {
	path := filepath.Join(root, steps[0].Page)
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return os.WriteFile(path, []byte(rewritten(string(text), steps, printed)), 0o644)
}
