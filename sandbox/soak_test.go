package sandbox

import (
	"math"
	"testing"
)

func TestFlatness(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		memory func(at float64) float64 // in MB, of 100 at the beginning
		grows  bool
	}{
		"level with noise":                     {func(at float64) float64 { return 100 + 8*math.Sin(at*7) }, false},
		"filling in the first half":            {func(at float64) float64 { return 100 + min(at, 50) }, false},
		"a leak of a tenth in the second half": {func(at float64) float64 { return 100 + at/4 + 8*math.Sin(at*7) }, true},
		"a bounded cache fills":                {func(at float64) float64 { return 10 + at/50 }, false},
		"shrinking":                            {func(at float64) float64 { return 200 - at }, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &flatness{}
			for at := 0.0; at < 100; at++ {
				f.at, f.memory = append(f.at, at), append(f.memory, 1e6*c.memory(at))
				f.resident, f.goroutines, f.files = append(f.resident, 1e8), append(f.goroutines, 50), append(f.files, 20)
			}
			got, wrong := f.judge(newReport(1, 1))
			if len(wrong) > 0 != c.grows || got["goroutines"] != 0 || got["files"] != 0 {
				t.Errorf("growth %v, and it grows: %v; wrong: %v", got, c.grows, wrong)
			}
		})
	}
}

func TestFlatnessNeedsSamples(t *testing.T) {
	t.Parallel()
	f := &flatness{}
	for at := range leastSamples - 1 {
		f.at, f.memory, f.resident = append(f.at, float64(at)), append(f.memory, 1e8), append(f.resident, 1e8)
		f.goroutines, f.files = append(f.goroutines, 50), append(f.files, 20)
	}
	if _, wrong := f.judge(newReport(1, 1)); len(wrong) == 0 {
		t.Error("nothing can be said of so few samples, and nothing was said of that")
	}
}
