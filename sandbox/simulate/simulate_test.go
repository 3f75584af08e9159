//go:debug randseednop=0

package simulate

import (
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// figure is what TestMain prints last.
var figure string

// logOf comes before what happened in a world, once for each that is shown.
const logOf = "the event log of seed %d:\n%s"

func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)         // the order of goroutines
	debug.SetGCPercent(-1)        // a collection would change it
	debug.SetMemoryLimit(1 << 30) // it comes all the same before memory is short
	code := server.Main(m)
	if figure != "" {
		fmt.Println(figure)
	}
	os.Exit(code)
}

// play runs one seed in a bubble.
func play(t *testing.T, seed uint64) (j *journal) {
	t.Helper()
	runtime.GC()
	//lint:ignore SA1019 client-go draws its jitter from this stream, and offers no other
	rand.Seed(int64(seed))
	synctest.Test(t, func(*testing.T) { j = run(seed) })
	return j
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestSimulate plays worlds, SEEDS of them beginning with FROM, or the one of SEED,
// whose event log it prints. With SEEDS set it uses every processor, a process on
// each.
func TestSimulate(t *testing.T) {
	if seed := number(t, "SEED", -1); seed >= 0 {
		j := play(t, uint64(seed))
		t.Logf(logOf, seed, j)
		report(t, seed, j)
		return
	}
	from, seeds := number(t, "FROM", 1), number(t, "SEEDS", 0)
	switch {
	case seeds == 0:
		sequence(t, from, ordinarySeeds)
	case os.Getenv("SIMULATE_PART") != "":
		sequence(t, from, seeds)
	default:
		parts(t, from, seeds)
	}
}

func sequence(t *testing.T, from, seeds int) {
	t.Helper()
	failed, most := 0, number(t, "FAILURES", 5)
	for seed := from; seed < from+seeds; seed++ {
		j := play(t, uint64(seed))
		if len(j.verdict()) == 0 {
			continue
		}
		t.Logf(logOf, seed, j)
		report(t, seed, j)
		if failed++; failed == most && seed < from+seeds-1 {
			t.Logf("%d failed, so the seeds %d to %d were not played", failed, seed+1, from+seeds-1)
			return
		}
	}
}

func report(t *testing.T, seed int, j *journal) {
	t.Helper()
	for _, wrong := range j.verdict() {
		t.Errorf("SEED=%d: %s", seed, wrong)
	}
}

// parts shares the seeds among processes.
func parts(t *testing.T, from, seeds int) {
	t.Helper()
	began := time.Now()
	var group sync.WaitGroup
	var failed atomic.Int64
	share := (seeds + runtime.NumCPU() - 1) / runtime.NumCPU()
	for first := from; first < from+seeds; first += share {
		n := min(share, from+seeds-first)
		group.Go(func() {
			part := exec.Command(os.Args[0], "-test.run", "^TestSimulate$", "-test.timeout", "0", "-test.v")
			part.Env = append(os.Environ(), "SIMULATE_PART=1", fmt.Sprintf("FROM=%d", first), fmt.Sprintf("SEEDS=%d", n))
			if out, err := part.CombinedOutput(); err != nil {
				failed.Add(max(1, int64(strings.Count(string(out), "the event log of seed ")))) // none is named where a part broke
				t.Errorf("seeds %d to %d: %v\n%s", first, first+n-1, err, out)
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	figure = fmt.Sprintf("simulate: %d worlds in %v, %.1f a second, every invariant held", seeds, took.Round(time.Second), float64(seeds)/took.Seconds())
	if t.Failed() {
		figure = fmt.Sprintf("simulate: of %d worlds at least %d failed, in %v, and maybe not all were played: see above", seeds, failed.Load(), took.Round(time.Second))
	}
}

// TestReplay plays a few seeds again and again: what failed once must fail again. Go's scheduler goes by
// the machine's clock, so where the machine is taken away from the process again and again the order within an
// instant may differ; such a round does not count, but one of three must.
func TestReplay(t *testing.T) {
	for seed, times := range map[uint64]int{4: 20, 9: 20, 48: 5, 13: 3} { // agents choose in 48, and elect in 13, which take longer
		most, parted := replay(t, seed, times)
		for range 2 {
			if most < times-1 {
				most, parted = replay(t, seed, times)
			}
		}
		if most < times-1 {
			t.Errorf("seed %d: only %d of %d replays are the same; where two of them part:\n%s", seed, most, times, parted)
		}
	}
}

// replay plays a seed so many times and says how many are the same, and where two part.
func replay(t *testing.T, seed uint64, times int) (most int, parted string) {
	logs := map[uint64]int{}
	var texts []string
	for range times {
		j := play(t, seed)
		if logs[j.digest()]++; logs[j.digest()] == 1 {
			texts = append(texts, j.String())
		}
		most = max(most, logs[j.digest()])
	}
	if len(texts) > 1 {
		parted = parting(texts[0], texts[1])
	}
	return most, parted
}

// parting shows the lines around the first one that differs.
func parting(a, b string) string {
	one, other := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(one), len(other)) {
		if one[i] != other[i] {
			return strings.Join(one[max(0, i-3):i+1], "\n") + "\nand\n" + other[i]
		}
	}
	return "one is longer"
}
