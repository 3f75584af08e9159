package simulate

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// seedsForBug is how many worlds a planted bug may live through.
const seedsForBug = 600

// ordinaryBug is the one that is played where not all are, and again and again; hardly
// a world lives through it.
const ordinaryBug = "uid-forgotten"

// What fails once is replayed so often, and fails again at least so often: Go's
// scheduler goes by the machine's clock, see TestReplay.
const (
	replays = 20
	again   = 19
)

// caughtBy holds a seed that catches each bug, as far as one was found.
const caughtBy = "testdata/bugs/seeds.txt"

// TestPlantedBugs shows that the simulation can fail: each patch in testdata/bugs
// breaks the agent, and a world notices in which nothing is wrong without it. All are
// played with BUGS=all, else only one; that all can still be planted is looked at
// always. Where the noted seed does not catch a bug any more, another one is looked
// for, which takes minutes; BUGS=find notes it.
func TestPlantedBugs(t *testing.T) {
	patches, err := filepath.Glob("testdata/bugs/*.patch")
	if err != nil || len(patches) < 12 {
		t.Fatalf("%d planted bugs, %v", len(patches), err)
	}
	which, began, caught := os.Getenv("BUGS"), time.Now(), 0
	seeds := noted(t)
	for _, patch := range patches {
		name := strings.TrimSuffix(filepath.Base(patch), ".patch")
		t.Run(name, func(t *testing.T) {
			overlay := plant(t, patch)
			if which == "" && name != ordinaryBug {
				return
			}
			program := build(t, overlay)
			wrong := catches(t, program, seeds[name])
			if wrong == "" {
				seeds[name], wrong = hunt(t, program)
			}
			caught++
			t.Logf("caught by SEED=%d: %s", seeds[name], wrong)
			if name == ordinaryBug {
				failsAgain(t, program, seeds[name], wrong)
			}
		})
	}
	if which != "" {
		figure = fmt.Sprintf("simulate: %d of %d planted bugs caught in %v, each by a world in which nothing is wrong without it", caught, len(patches), time.Since(began).Round(time.Second))
	}
	if which == "find" {
		note(t, seeds)
	}
}

// noted reads which seed catches which bug.
func noted(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile(caughtBy)
	if err != nil {
		t.Fatal(err)
	}
	seeds := map[string]int{}
	for line := range strings.Lines(string(text)) {
		var name string
		var seed int
		if _, err := fmt.Sscan(line, &name, &seed); err != nil {
			t.Fatalf("%s: %q: %v", caughtBy, line, err)
		}
		seeds[name] = seed
	}
	return seeds
}

func note(t *testing.T, seeds map[string]int) {
	t.Helper()
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		fmt.Fprintln(&text, name, seeds[name])
	}
	if err := os.WriteFile(caughtBy, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
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

// build makes this test's program with the bug in it.
func build(t *testing.T, overlay string) string {
	t.Helper()
	program := filepath.Join(filepath.Dir(overlay), "broken.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("with the bug it cannot be built: %v\n%s", err, out)
	}
	return program
}

// hunt plays worlds until one catches the bug.
func hunt(t *testing.T, program string) (seed int, wrong string) {
	t.Helper()
	for from := 1; from <= seedsForBug; from = seed + 1 {
		if seed, wrong = firstWrong(t, program, from, seedsForBug-from+1); wrong == "" {
			break
		}
		if wrong = catches(t, program, seed); wrong != "" {
			return seed, wrong
		}
	}
	t.Fatalf("%d worlds did not notice the bug", seedsForBug)
	return 0, ""
}

// catches says what is wrong in a world with the bug, empty if nothing is or if it is
// not the bug's doing.
func catches(t *testing.T, program string, seed int) string {
	t.Helper()
	if seed == 0 {
		return ""
	}
	if _, wrong := firstWrong(t, os.Args[0], seed, 1); wrong != "" {
		t.Logf("SEED=%d fails without the bug: %s", seed, wrong)
		return ""
	}
	_, wrong := firstWrong(t, program, seed, 1)
	return wrong
}

var verdict = regexp.MustCompile(`SEED=(\d+): (.*)`)

// firstWrong has a program play n worlds until something is wrong in one.
func firstWrong(t *testing.T, program string, from, n int) (seed int, wrong string) {
	t.Helper()
	played := exec.CommandContext(t.Context(), program, "-test.run", "^TestSimulate$", "-test.timeout", "20m")
	played.Env = append(os.Environ(), "SIMULATE_PART=1", "FAILURES=1", "SEED=", fmt.Sprintf("FROM=%d", from), fmt.Sprintf("SEEDS=%d", n))
	out, err := played.CombinedOutput()
	found := verdict.FindStringSubmatch(string(out))
	if (err == nil) != (found == nil) {
		t.Fatalf("worlds %d to %d: %v\n%s", from, from+n-1, err, out)
	}
	if found == nil {
		return 0, ""
	}
	seed, _ = strconv.Atoi(found[1]) // digits
	return seed, found[2]
}

// failsAgain replays a seed as a person does, and asks for what was wrong, and for the
// event log.
func failsAgain(t *testing.T, program string, seed int, wrong string) {
	t.Helper()
	failed := 0
	for range replays {
		played := exec.CommandContext(t.Context(), program, "-test.run", "^TestSimulate$", "-test.timeout", "20m", "-test.v")
		played.Env = append(os.Environ(), fmt.Sprintf("SEED=%d", seed))
		out, err := played.CombinedOutput()
		found := verdict.FindStringSubmatch(string(out))
		if found != nil && found[1] == strconv.Itoa(seed) && found[2] == wrong && strings.Contains(string(out), "the event log of seed "+found[1]) {
			failed++
			continue
		}
		t.Logf("a replay of SEED=%d does not fail with %q: %v, %v", seed, wrong, found, err)
	}
	if failed < again {
		t.Errorf("SEED=%d failed again in %d of %d replays", seed, failed, replays)
	}
	t.Logf("SEED=%d failed again in %d of %d replays", seed, failed, replays)
}
