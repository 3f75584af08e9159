package kafka

import (
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/allocation/wire"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// batch is what lies between two commits of a partition. A component occurs in
// it once, so that repeating it after a crash cannot bring an earlier placement
// back: the later one of the same component is not begun before the earlier is
// committed.
type batch struct {
	records    []*kgo.Record
	items      []*item
	unreadable []letter
}

// item is one allocation of a message.
type item struct {
	record     *kgo.Record
	message    *wire.ServiceComponentAllocation
	allocation allocation.Allocation
	done       bool
	refused    error
}

// batchOf reads the next batch from the front of records.
func batchOf(records []*kgo.Record) *batch {
	b := &batch{}
	named := map[ngsild.EntityID]bool{}
	for _, r := range records[:min(len(records), maxBatch)] {
		items, unreadable := itemsOf(r)
		for _, i := range items {
			if named[i.allocation.Component] {
				return b
			}
		}
		for _, i := range items {
			named[i.allocation.Component] = true
		}
		b.records = append(b.records, r)
		b.items = append(b.items, items...)
		b.unreadable = append(b.unreadable, unreadable...)
	}
	return b
}

// itemsOf reads one message. Of several allocations of one component in it the
// last counts, as if each had come alone.
func itemsOf(r *kgo.Record) ([]*item, []letter) {
	input := &wire.HLODeploymentEngineInput{}
	if err := proto.Unmarshal(r.Value, input); err != nil {
		return nil, []letter{{record: r, value: r.Value, reason: "not an HLODeploymentEngineInput: " + err.Error()}}
	}
	if len(input.ServiceComponentAllocations) == 0 {
		return nil, []letter{{record: r, value: r.Value, reason: "no allocation in it"}}
	}
	var items []*item
	var unreadable []letter
	place := map[ngsild.EntityID]int{}
	for _, m := range input.ServiceComponentAllocations {
		i := &item{record: r, message: m, allocation: read(m)}
		n, again := place[i.allocation.Component]
		switch {
		case i.allocation.Component == "":
			unreadable = append(unreadable, letter{record: r, value: alone(m), reason: "an allocation without new_allocated_service_component.id"})
		case again:
			items[n] = i
		default:
			place[i.allocation.Component] = len(items)
			items = append(items, i)
		}
	}
	return items, unreadable
}

// alone is a message with one allocation, whatever is unknown in it kept.
func alone(m *wire.ServiceComponentAllocation) []byte {
	body, err := proto.Marshal(&wire.HLODeploymentEngineInput{ServiceComponentAllocations: []*wire.ServiceComponentAllocation{m}})
	if err != nil {
		return nil // only a text that is not UTF-8 does that, and such a message was not read
	}
	return body
}

// read turns an allocation of either version into the one type.
func read(m *wire.ServiceComponentAllocation) allocation.Allocation {
	c := m.GetNewAllocatedServiceComponent()
	element := c.GetInfrastructureElement()
	a := allocation.Allocation{
		Component: ngsild.EntityID(c.GetId()), Service: ngsild.EntityID(c.GetService().GetId()),
		Element: ngsild.EntityID(element.GetId()), Hostname: element.GetHostname(),
		Orchestrator: ngsild.EntityID(element.GetLowLevelOrchestrator().GetId()),
		Image:        c.GetImage(), EnvVars: pairs(c.GetEnvVars()), CLIArgs: pairs(c.GetCliArgs()),
		ExposePorts: proto.Bool(c.GetExposePorts()), IsJob: proto.Bool(c.GetIsJob()), IsPrivate: proto.Bool(c.GetIsPrivate()),
		Username: c.GetCredentials().GetUsername(), Password: ngsild.Secret(c.GetCredentials().GetPassword()),
		Previous: ngsild.EntityID(m.GetOldAllocatedInfrastructureElement().GetId()),
	}
	for _, p := range c.GetPorts() {
		a.Ports = append(a.Ports, allocation.Port{Number: p.GetNumber()})
	}
	for name, value := range c.GetServiceComponentConstraints().GetConstraints() {
		if a.Constraints == nil {
			a.Constraints = map[string]float64{}
		}
		a.Constraints[name] = float64(value)
	}
	return a
}

func pairs(in []*wire.ServiceComponentKeyValue) []allocation.Pair {
	var out []allocation.Pair
	for _, p := range in {
		out = append(out, allocation.Pair{Key: p.GetKey(), Value: p.GetValue()})
	}
	return out
}
