package sandbox

import (
	"context"
	"fmt"
	"os"
	"time"
)

// growthAllowed is what the line through the second half may rise from its beginning
// to its end: memory in percent, the others in numbers. What is resident has gaps, which
// grow for a while after a start.
var growthAllowed = map[string]float64{"memory": 5, "resident": 15, "goroutines": 25, "files": 15}

// growthSlack is how many bytes memory may rise at any rate: caches that have a bound
// fill for some minutes.
const growthSlack = 2 << 20

// flatness samples what an agent holds while it works.
type flatness struct {
	at                []float64 // seconds
	memory, resident  []float64 // bytes: what the collector found in use, and all of the process
	goroutines, files []float64
}

// soakResync is the agent's RESYNC_INTERVAL, said so that it is known here.
const soakResync = 5 * time.Minute

// leastSamples is how many it takes to tell what grows.
const leastSamples = 10

// watch takes a sample about every second until a time, of memory after a forced
// collection, so that what could be collected does not count. While the agent lists
// everything it holds both what it knew and what it reads: then none is taken.
func (f *flatness) watch(ctx context.Context, r *rig, until time.Time) error {
	began := time.Now()
	pid := r.agent.cmd.Process.Pid
	step := max(time.Second, time.Until(until)/200)
	for time.Now().Before(until) {
		resident, err := r.resident(ctx) // collects
		if err != nil {
			return err
		}
		m, err := r.agentMetrics(ctx)
		if err != nil {
			return err
		}
		if m["hlo_agent_resync_age_seconds"] > soakResync.Seconds() {
			if err := pause(ctx, step); err != nil {
				return err
			}
			continue
		}
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			return fmt.Errorf("count open files, which works on Linux only: %w", err)
		}
		f.at = append(f.at, time.Since(began).Seconds())
		f.memory, f.resident = append(f.memory, m["go_gc_heap_live_bytes"]), append(f.resident, float64(resident))
		f.goroutines = append(f.goroutines, m["go_goroutines"])
		f.files = append(f.files, float64(len(files)))
		if err := pause(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// judge is by how much each thing grew over the second half, by the line that fits it
// best, and what grew too much.
func (f *flatness) judge(report *benchReport) (growth map[string]float64, wrong []error) {
	growth = map[string]float64{}
	if len(f.at) < leastSamples {
		return growth, []error{fmt.Errorf("only %d samples of memory and files were taken, too few to tell what grows; --time must be longer", len(f.at))}
	}
	for _, c := range []struct {
		what    string
		samples []float64
		percent bool
	}{{"memory", f.memory, true}, {"resident", f.resident, true}, {"goroutines", f.goroutines, false}, {"files", f.files, false}} {
		half := len(f.at) / 2
		rise, mean := riseOf(f.at[half:], c.samples[half:])
		slack := c.percent && rise < growthSlack
		if c.percent {
			rise = 100 * rise / mean
		}
		growth[c.what] = rise
		if limit := growthAllowed[c.what]; rise > limit && !slack {
			wrong = append(wrong, fmt.Errorf("%s grew by %.1f over the second half, more than %.1f", c.what, rise, limit))
		}
		report.add("soak_"+c.what+"_growth", rise, fmt.Sprint(growthAllowed[c.what]), fmt.Sprintf("%.4g on average over the second half, %d samples", mean, len(f.at)-half))
	}
	return growth, wrong
}

// riseOf is how much the line of least squares rises from the first to the last of
// the samples, and their mean.
func riseOf(at, samples []float64) (rise, mean float64) {
	if len(at) < 2 {
		return 0, 1
	}
	middle := 0.0
	for i := range at {
		middle += at[i] / float64(len(at))
		mean += samples[i] / float64(len(at))
	}
	above, below := 0.0, 0.0
	for i := range at {
		above += (at[i] - middle) * (samples[i] - mean)
		below += (at[i] - middle) * (at[i] - middle)
	}
	return above / below * (at[len(at)-1] - at[0]), mean
}
