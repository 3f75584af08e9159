package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/world"
)

// measureMemory compares the agent's resident memory with a tenth of so many
// components and with all, each time after a collection.
func measureMemory(ctx context.Context, r *rig, count int, report *benchReport) error {
	r.options.n = count // how long things may take
	if err := r.clean(ctx); err != nil {
		return err
	}
	if err := r.startAgent(ctx); err != nil {
		return err
	}
	load := world.Generate(count, world.LoadOptions{})
	if err := r.create(ctx, load.Base); err != nil {
		return err
	}
	few, err := r.grow(ctx, load.Components[:count/10])
	if err != nil {
		return err
	}
	many, err := r.grow(ctx, load.Components[count/10:])
	if err != nil {
		return err
	}
	report.add("bytes_per_component", float64(many-few)/float64(count-count/10), "16384",
		fmt.Sprintf("%d MiB with %d components, %d MiB with %d", few>>20, count/10, many>>20, count))
	return nil
}

// grow adds components, waits until their objects are there, their states are
// written and the agent is at rest, and returns its resident memory in bytes.
func (r *rig) grow(ctx context.Context, components []json.RawMessage) (int64, error) {
	took, err := r.timed(ctx, agentNamespace, len(components), func() error { return r.create(ctx, components) })
	if err != nil {
		return 0, err
	}
	if err := r.quiet(ctx, 5*time.Second); err != nil {
		return 0, err
	}
	resident, err := r.resident(ctx)
	r.log.Info("memory", "added", len(components), "duration", took.clock, "resident", resident)
	return resident, err
}

// resident is the agent's resident memory after a forced collection, in bytes.
func (r *rig) resident(ctx context.Context) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.agent.ops+"/debug/free-memory", nil)
	if err != nil {
		return 0, err
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("have the agent free memory: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return 0, fmt.Errorf("have the agent free memory: it answers %s", resp.Status)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.agent.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read the agent's memory, which works on Linux only: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("no VmRSS in the status of process %d", r.agent.cmd.Process.Pid)
}
