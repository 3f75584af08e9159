package simulate

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// seedsForBug is how many worlds a planted bug may live through.
const seedsForBug = 400

// ordinaryBug is the one that is played where not all are; hardly a world lives
// through it.
const ordinaryBug = "every-domain-is-ours"

// TestPlantedBugs shows that the simulation can fail: each patch in testdata/bugs
// breaks the agent, and some world notices. All are played with BUGS=all, else only
// one; that all can still be planted is looked at always.
func TestPlantedBugs(t *testing.T) {
	patches, err := filepath.Glob("testdata/bugs/*.patch")
	if err != nil || len(patches) < 12 {
		t.Fatalf("%d planted bugs, %v", len(patches), err)
	}
	caught := 0
	for _, patch := range patches {
		name := strings.TrimSuffix(filepath.Base(patch), ".patch")
		t.Run(name, func(t *testing.T) {
			overlay := plant(t, patch)
			if os.Getenv("BUGS") != "all" && name != ordinaryBug {
				return
			}
			seed := hunt(t, overlay)
			caught++
			t.Logf("caught by SEED=%s", seed)
		})
	}
	if os.Getenv("BUGS") == "all" {
		figure = fmt.Sprintf("simulate: %d of %d planted bugs caught, each within %d worlds", caught, len(patches), seedsForBug)
	}
}

// plant applies a patch to a copy of the file that it names, and returns the name
// of an overlay with which go build takes the copy. Hunks are found by their text:
// their line numbers are left out, so that other changes of the file do no harm.
func plant(t *testing.T, patch string) string {
	t.Helper()
	text, err := os.ReadFile(patch)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "\n@@\n")
	name := regexp.MustCompile(`(?m)^\+\+\+ b/(.*)$`).FindStringSubmatch(parts[0])
	if name == nil || len(parts) < 2 {
		t.Fatal("names no file, or holds no hunk")
	}
	path, err := filepath.Abs(filepath.Join("../..", name[1]))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := string(source)
	for _, hunk := range parts[1:] {
		before, after := sides(hunk)
		if n := strings.Count(broken, before); n != 1 {
			t.Fatalf("%s holds these lines %d times, so the bug cannot be planted there:\n%s", name[1], n, before)
		}
		broken = strings.Replace(broken, before, after, 1)
	}
	folder := t.TempDir()
	copied, overlay := filepath.Join(folder, "broken.go"), filepath.Join(folder, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{path: copied}})
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{copied: []byte(broken), overlay: replace} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return overlay
}

// sides are the lines of a hunk before and after.
func sides(hunk string) (before, after string) {
	for line := range strings.Lines(hunk + "\n") {
		switch {
		case strings.HasPrefix(line, "-"):
			before += line[1:]
		case strings.HasPrefix(line, "+"):
			after += line[1:]
		case strings.TrimSpace(line) != "":
			before += line[1:]
			after += line[1:]
		case strings.HasPrefix(line, " "):
			before += line[1:]
			after += line[1:]
		}
	}
	return before, after
}

// hunt builds this test with the bug in it and plays worlds until one fails.
func hunt(t *testing.T, overlay string) (seed string) {
	t.Helper()
	program := filepath.Join(filepath.Dir(overlay), "broken.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("with the bug it cannot be built: %v\n%s", err, out)
	}
	played := exec.CommandContext(t.Context(), program, "-test.run", "^TestSimulate$", "-test.timeout", "10m")
	played.Env = append(slices.Clone(os.Environ()), "SIMULATE_PART=1", "FAILURES=1", "SEED=", "FROM=1", fmt.Sprintf("SEEDS=%d", seedsForBug))
	out, err := played.CombinedOutput()
	found := regexp.MustCompile(`SEED=(\d+: .*)`).FindSubmatch(out)
	if err == nil || found == nil {
		t.Fatalf("%d worlds did not notice the bug: %v", seedsForBug, err)
	}
	return string(found[1])
}
