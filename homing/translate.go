package homing

// Translation is what a template means for an inventory, before anything is solved.
type Translation struct {
	// Candidates counts, by demand, those that its requirements leave.
	Candidates map[string]int `json:"candidates"`
	// Locations are where the template's locations are.
	Locations map[string]Place `json:"locations"`
}

// Translate resolves the template's locations and draws its demands' candidates.
// The errors are what Solve would be rejected for.
func Translate(t *Template, inv *Inventory) (Translation, []*PathError) {
	found := &findings{}
	of := Translation{Candidates: map[string]int{}, Locations: t.resolve(inv, found)}
	for _, d := range t.drawAll(inv, found) {
		of.Candidates[d.name] = len(d.items)
	}
	return of, found.sorted()
}
