package homing

import "github.com/hlo-agent/hlo-agent/ngsild"

// Amounts is what InfrastructureElementRequirements of either dialect ask of each
// resource that adds up on an element: cpu in cores, ram in MB. nil asks nothing.
func Amounts(requirements *ngsild.Entity) map[string]float64 { return needsOf(requirements).amounts }

// FreeOf is what an InfrastructureElement has free by its own figures: cores, and
// memory in MB; 0 where that is not known.
func FreeOf(e *ngsild.Entity) (cores, memory float64) {
	figures := make(map[string]any, 8)
	for _, name := range []string{"cpuCores", "currentCpuUsage", "availableRam", "ramCapacity", "currentRamUsage"} {
		if n, ok := number(e.Attrs[name].Value); ok && n != -1 {
			figures[name] = n
		}
	}
	derive(figures)
	cores, _ = number(figures["freeCpu"])
	memory, _ = number(figures["freeRam"])
	return cores, memory
}

// ElementCount is how many elements an inventory holds.
func (inv *Inventory) ElementCount() int {
	n := 0
	for _, c := range inv.candidates {
		if c.Kind == element {
			n++
		}
	}
	return n
}
