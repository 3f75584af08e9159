package agent

import (
	"fmt"
	"hash/maphash"

	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// remember compares an entity with what it was at the last reading: whether
// anything but a figure changed, and whether a figure got better by a step.
func (v *inventory) remember(e *ngsild.Entity, promised map[string]float64) (changed, better bool) {
	had, known := v.seen[e.ID]
	if !known {
		had = &remembered{}
		v.seen[e.ID] = had
	}
	rest := restOf(e)
	changed = had.rest != rest
	had.rest, had.observed, had.reading, had.missing = rest, e.Observed, v.asked, false
	had.element = e.Type == typeElement
	for i, now := range figuresOf(e, promised) {
		mark := had.marks[i]
		switch {
		case !known:
			had.marks[i] = now
		case now > mark+step*max(mark, 0):
			had.marks[i], better = now, true
		case now < mark-step*mark:
			had.marks[i] = now
		}
	}
	return changed, better
}

// figuresOf are those figures that requirements ask about, more being better;
// what is promised to components that do not run yet is not free.
func figuresOf(e *ngsild.Entity, promised map[string]float64) [4]float64 {
	if e.Type == typePower {
		return [4]float64{figure(e, "greenEnergyRatio")}
	}
	if e.Type != typeElement {
		return [4]float64{}
	}
	cpu, ram := homing.FreeOf(e)
	return [4]float64{max(0, cpu-promised["cpu"]), max(0, ram-promised["ram"]), max(0, 100-figure(e, "currentCpuUsage")), figure(e, "energyEfficiencyRatio")}
}

func figure(e *ngsild.Entity, name string) float64 {
	switch n := e.Attrs[name].Value.(type) {
	case int64:
		return max(0, float64(n))
	case float64:
		return max(0, n)
	}
	return 0
}

var fingerprintSeed = maphash.MakeSeed()

// restOf is a fingerprint of everything in an entity that is no figure. Numbers
// are figures, except for those that say how large something is.
func restOf(e *ngsild.Entity) uint64 {
	sum := uint64(1)
	for name, a := range e.Attrs {
		var h maphash.Hash
		h.SetSeed(fingerprintSeed)
		_, _ = h.WriteString(name) // a hash takes everything
		switch value := a.Value.(type) {
		case string:
			_, _ = h.WriteString(value)
		case int64, float64:
			if !sizes[name] {
				continue
			}
			fmt.Fprint(&h, value)
		default:
			fmt.Fprint(&h, value) // maps print in the order of their keys
		}
		sum += h.Sum64() // in any order
	}
	return sum
}

var sizes = map[string]bool{"cpuCores": true, "cpuFreqMax": true, "ramCapacity": true, "diskCapacity": true, "gpuMemory": true}
