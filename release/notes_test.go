package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestNotes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "CHANGELOG.md")
	text := "# Changes\n\nNewest first.\n\n## Unreleased\n\n## v0.2.0\n\n- second\n\n### Upgrade\n\nBefore.\n\n## v0.1.0\n\n- first\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	second := "\n\n- second\n\n### Upgrade\n\nBefore.\n"
	for version, want := range map[string]string{
		"v0.1.0":                         "# hlo-agent v0.1.0\n\n- first\n",
		"v0.2.0":                         "# hlo-agent v0.2.0" + second,
		"v0.2.0-3-gabcdef012345":         "# hlo-agent v0.2.0-3-gabcdef012345" + second,
		"v0.2.0-dirty":                   "# hlo-agent v0.2.0-dirty" + second,
		"v0.0.0-gabcdef012345":           "# hlo-agent v0.0.0-gabcdef012345" + second,
		"v0.2.1-rc.1-12-gabcdef01-dirty": "# hlo-agent v0.2.1-rc.1-12-gabcdef01-dirty" + second,
	} {
		var said bytes.Buffer
		if err := run(t.Context(), []string{"notes", "-version", version, file}, &said); err != nil {
			t.Errorf("%s: %v", version, err)
		} else if got := said.String(); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", version, got, want)
		}
	}
	for _, version := range []string{"v0.3.0", "v0.2.1-rc.1", "v0.2", "Unreleased", "0.1.0"} {
		want := `CHANGELOG.md has nothing about ` + version + `: write what operators notice under "## ` + version + `"`
		if err := run(t.Context(), []string{"notes", "-version", version, file}, &bytes.Buffer{}); err == nil || err.Error() != want {
			t.Errorf("%s: got %v\nwant %s", version, err, want)
		}
	}
}
