package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/hlo-agent/hlo-agent/allocation/wire"
)

// FuzzMessage reads any message: each allocation in it is taken once, or said to be unreadable.
func FuzzMessage(f *testing.F) {
	for _, message := range []*wire.HLODeploymentEngineInput{
		{},
		{ServiceComponentAllocations: []*wire.ServiceComponentAllocation{{}, nil}},
		{ServiceComponentAllocations: []*wire.ServiceComponentAllocation{
			{NewAllocatedServiceComponent: &wire.ServiceComponent{Id: "urn:a", Image: "x", Ports: []*wire.Port{{Number: 80}}}},
			{NewAllocatedServiceComponent: &wire.ServiceComponent{Id: "urn:a", EnvVars: []*wire.ServiceComponentKeyValue{{Key: "k", Value: "v"}}}},
		}},
	} {
		text, err := proto.Marshal(message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		items, unreadable := itemsOf(&kgo.Record{Value: value})
		if len(items)+len(unreadable) == 0 {
			t.Fatal("a message that nobody speaks of")
		}
		seen := map[string]bool{}
		for _, i := range items {
			if id := string(i.allocation.Component); id == "" || seen[id] {
				t.Fatalf("component %q is there twice, or has no id", id)
			} else {
				seen[id] = true
			}
			_ = i.allocation.Record() // must not break
		}
		for _, l := range unreadable {
			if l.reason == "" {
				t.Fatal("unreadable for no reason")
			}
		}
	})
}
