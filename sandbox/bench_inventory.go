package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hlo-agent/hlo-agent/sandbox/world"
)

const (
	fleetSize     = 10_000
	fleetInterval = 5 * time.Second // between two reports of one element
	fleetMeasured = time.Minute
)

// measureInventory counts what live elements cost the agent while a component
// waits that none of them fits, which is when it looks at them most.
func measureInventory(ctx context.Context, r *rig, report *benchReport) error {
	if err := r.clean(ctx); err != nil {
		return err
	}
	r.settings["HOMING"] = "auto"
	defer delete(r.settings, "HOMING")
	if err := r.create(ctx, world.Fleet(fleetSize)); err != nil {
		return err
	}
	if err := r.startAgent(ctx); err != nil {
		return err
	}
	if err := r.create(ctx, unplaceable()); err != nil {
		return err
	}
	err := poll(ctx, r.patience(), func() error {
		m, err := r.agentMetrics(ctx)
		if err == nil && m["hlo_agent_homing_inventory_age_seconds"] < 0 {
			err = errors.New("the agent has not looked at the elements yet")
		}
		return err
	})
	if err != nil {
		return err
	}
	reporting, stop := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return r.reportFleet(reporting) })
	err = r.watchInventory(ctx, report)
	stop()
	return errors.Join(err, group.Wait(), r.clean(ctx))
}

// watchInventory looks at the agent's metrics for a while.
func (r *rig) watchInventory(ctx context.Context, report *benchReport) error {
	before, err := r.agentMetrics(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	oldest, resident := 0.0, 0.0
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for now := before; ; {
		took := time.Since(began)
		resident = max(resident, now["process_resident_memory_bytes"])
		if oldest = max(oldest, now["hlo_agent_homing_inventory_age_seconds"]); took > fleetMeasured {
			since := func(name string) float64 { return now[name] - before[name] }
			report.add("inventory_core_percent", 100*since("process_cpu_seconds_total")/took.Seconds(), "10",
				fmt.Sprintf("%d elements report every %v; %.0f reads, %.0f notifications in %.0f s", fleetSize, fleetInterval,
					since("hlo_agent_broker_requests_total"), since("hlo_agent_notifications_total"), took.Seconds()))
			report.add("inventory_age_seconds", oldest, "30", "the oldest figures that a decision could have used")
			report.add("inventory_resident_mib", resident/(1<<20), "", "the agent's greatest resident memory")
			report.add("inventory_solves", since("hlo_agent_homing_decisions_total"), "", "of a service that no element fits")
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if now, err = r.agentMetrics(ctx); err != nil {
			return err
		}
	}
}

// reportFleet has every element report its load, spread over the interval.
func (r *rig) reportFleet(ctx context.Context) error {
	batches := fleetSize / batchSize
	tick := time.NewTicker(fleetInterval / time.Duration(batches))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		var all []json.RawMessage
		for i := range batchSize {
			all = append(all, world.FleetReport(n%batches*batchSize+i, n/batches, time.Now()))
		}
		if err := r.update(ctx, all); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func (r *rig) update(ctx context.Context, entities []json.RawMessage) error {
	body, err := json.Marshal(entities)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.brokerURL+"/ngsi-ld/v1/entityOperations/update", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("report loads: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // for the error only
		return fmt.Errorf("report loads: the broker answers %s: %s", resp.Status, text)
	}
	return nil
}

// unplaceable is a component that wants more memory than any element has.
func unplaceable() []json.RawMessage {
	return []json.RawMessage{
		json.RawMessage(`{"id": "urn:ngsi-ld:Service:large:Component:c:R", "type": "InfrastructureElementRequirements", "requiredRam": {"type": "Property", "value": 999999}}`),
		json.RawMessage(`{"id": "urn:ngsi-ld:Service:large:Component:c", "type": "ServiceComponent",
 "service": {"type": "Relationship", "object": "urn:ngsi-ld:Service:large"},
 "serviceComponentStatus": {"type": "Relationship", "object": "urn:ngsi-ld:ServiceComponentStatus:Starting"},
 "infrastructureElementRequirements": {"type": "Relationship", "object": "urn:ngsi-ld:Service:large:Component:c:R"},
 "containerImage": {"type": "Property", "value": "registry.example.org/large:1"}}`),
	}
}
