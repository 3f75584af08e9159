package allocation

import "strings"

// Fault is one thing that is wrong with a body: where, as a JSON pointer, and
// which rule it breaks. Neither has anything of a value.
type Fault struct {
	Path string `json:"path"`
	Rule string `json:"rule"`
}

// Faults is everything that is wrong with a body, in order of place.
type Faults []Fault

// Error gives one line for each fault.
func (f Faults) Error() string {
	lines := make([]string, 0, len(f))
	for _, fault := range f {
		place := fault.Path
		if place == "" {
			place = "the body"
		}
		lines = append(lines, place+" "+fault.Rule)
	}
	return strings.Join(lines, "\n")
}
