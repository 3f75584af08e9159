package homing

// Takes is what a recommendation for t takes of each candidate by the capacity constraints, by candidate and
// resource. A demand of which several constraints ask the same resource takes it once, and one that stays where it
// is only what it does not use there already.
func (t *Template) Takes(r Recommendation) map[string]map[string]float64 {
	loads := map[string]map[string]float64{} // by demand
	for _, c := range t.constraints {
		b, ok := c.body.(*capacity)
		if !ok {
			continue
		}
		for _, demand := range c.demands {
			if loads[demand] == nil {
				loads[demand] = map[string]float64{}
			}
			for resource, amount := range b.request[demand] {
				loads[demand][resource] = max(loads[demand][resource], amount)
			}
		}
	}
	taken := map[string]map[string]float64{}
	for _, d := range t.demands {
		on := r.Assignment[d.name]
		for resource, amount := range loads[d.name] {
			if on == d.existing && d.present == nil {
				continue
			}
			if on == d.existing {
				amount -= d.present[resource]
			}
			if amount <= 0 {
				continue
			}
			if taken[on] == nil {
				taken[on] = map[string]float64{}
			}
			taken[on][resource] += amount
		}
	}
	return taken
}
