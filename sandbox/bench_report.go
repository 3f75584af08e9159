package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one number of a report.
type figure struct {
	key   string
	value float64
	bar   string // what it is held against; empty for absolute numbers
	note  string
}

// benchReport is what a run has found, in the order in which it was found.
type benchReport struct {
	n, rounds int
	figures   []figure
}

func newReport(n, rounds int) *benchReport { return &benchReport{n: n, rounds: rounds} }

func (b *benchReport) add(key string, value float64, bar, note string) {
	b.figures = append(b.figures, figure{key, value, bar, note})
}

// json writes one flat object: the figures and n.
func (b *benchReport) json(w io.Writer) error {
	flat := map[string]float64{"n": float64(b.n)}
	for _, f := range b.figures {
		flat[f.key] = rounded(f.value)
	}
	text, err := json.Marshal(flat)
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

func (b *benchReport) table(w io.Writer) error {
	fmt.Fprintf(w, "n=%d, medians of %d rounds\n%s\n\n", b.n, b.rounds, machine())
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tVALUE\tAT MOST\tNOTE")
	for _, f := range b.figures {
		fmt.Fprintf(t, "%s\t%v\t%s\t%s\n", f.key, rounded(f.value), f.bar, f.note)
	}
	return t.Flush()
}

// rounded keeps four digits after the point; whole numbers stay whole.
func rounded(v float64) float64 { return math.Round(v*10000) / 10000 }

// machine describes what the numbers were measured on.
func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load := "unknown"
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	return fmt.Sprintf("%d cores, %s, %s/%s, %s, load average at the end %s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version(), load)
}

// percentile is the value below which the given share (0 to 1) of some
// durations lies; the durations are left as they are.
func percentile(all []time.Duration, share float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	at := int(math.Ceil(share*float64(len(sorted)))) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	if n := len(sorted); n > 0 && n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return percentile(all, 0.5)
}

func ratio(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }

func seconds(all []time.Duration) string {
	var texts []string
	for _, d := range all {
		texts = append(texts, fmt.Sprintf("%.2f", d.Seconds()))
	}
	return strings.Join(texts, " ")
}
