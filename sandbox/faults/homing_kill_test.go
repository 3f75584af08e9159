package faults_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Killed at random points while many services compete for exactly the memory
// that there is, the agent places all of them and never gives room twice.
func TestHomingKilledAnywhere(t *testing.T) {
	t.Parallel()
	const services, each, size, elements = 9, 4, 100, 4
	r := newRig(t, homing(nil))
	r.create(domain("Alpha", true), lowLevel("Alpha", "Kubernetes"))
	for i := range elements {
		r.create(roomy(fmt.Sprintf("urn:ngsi-ld:InfrastructureElement:Alpha:n%d", i), services*each*size/elements))
	}
	r.launch()
	random := rand.New(rand.NewPCG(3, 4))
	var names []string
	used := map[string]int{}
	room := func() error {
		clear(used)
		for _, name := range names {
			used[r.report(componentID(name)).Element]++
		}
		for element, n := range used {
			if element != "" && n > services*each/elements {
				return fmt.Errorf("%d components on %s", n, element)
			}
		}
		return nil
	}
	for i := range services {
		id := fmt.Sprintf("urn:ngsi-ld:Service:s%d", i)
		r.create(object{"id": id, "type": "Service", "domainHandler": rel("urn:ngsi-ld:Domain:Alpha")})
		for j := range each {
			names = append(names, fmt.Sprintf("s%dc%d", i, j))
			e := wanting(names[len(names)-1], ram(size))
			e[1]["service"] = rel(id)
			r.create(e...)
		}
		if i%3 == 2 {
			pass(t, time.Duration(random.IntN(1500))*time.Millisecond)
			r.agent.kill()
			must(t, room())
			r.launch()
		}
	}
	eventually(t, "all are placed", func() error {
		if err := room(); err != nil {
			return fmt.Errorf("%w: %w", errNever, err)
		}
		if n := used[""]; n > 0 {
			return fmt.Errorf("%d are not", n)
		}
		return nil
	})
	for _, e := range r.toBroker.Seen(and(entityWrites, containing(`"infrastructureElement"`))) {
		if n := strings.Count(string(e.Body), "homingDecision"); n != 1 {
			t.Errorf("an element without its reasons: %s", e.Body)
		}
	}
}
