package homing

// zones is the body of a zone constraint.
type zones struct {
	different bool
	category  string
	location  string
}

// categories are the accepted spellings of zone categories and what they mean.
var categories = map[string]string{
	"region": "region", "complex": "complex", "country": "country", "element": "element", "tier": "tier", "orchestrator": "orchestrator",
	"disaster": "disaster", "disaster_zone": "disaster", "time": "time", "time_zone": "time",
	"maintenance": "maintenance", "maintenance_zone": "maintenance",
}

func (p *parser) zone(_ *constraint, r *reader) any {
	b := &zones{
		different: r.word("qualifier", "same", "different") == "different",
		category:  categories[r.word("category", sortedKeys(categories)...)],
	}
	if v, ok := r.m["location"]; ok && !empty(v) {
		b.location = p.locationName(r, "location")
		if b.category != "country" && b.category != "" {
			p.found.add(r.at("location"), "a location has no %s: accepted is a location with category country only", b.category)
		}
	}
	return b
}

// holds compares with the location's country, where one is named.
func (b *zones) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	country := ev.places[b.location].Country
	for i, it := range d.items {
		label := it.zone(b.category)
		switch {
		case b.location == "":
			ok[i] = label != "" || len(c.demands) < 2
		case country == "":
			ev.note(c, d, "cannot be compared, as location "+b.location+" has no country")
		default:
			ok[i] = label != "" && (label == country) != b.different
		}
		if label == "" && !ok[i] {
			ev.note(c, d, "have no field "+zoneField(b.category))
		}
	}
	return ok
}

// zoneField is the candidate's field that holds its zone of a category.
func zoneField(category string) string {
	switch category {
	case "region":
		return "location_id"
	case "complex":
		return "complex_name"
	case "element":
		return "candidate_id"
	case "tier":
		return "infrastructureElementTier"
	case "orchestrator":
		return "vim-id"
	case "country":
		return "country"
	}
	return category + "_zone"
}

// zone is the candidate's zone of a category, "" if it is not known.
func (it *item) zone(category string) string {
	if it.c.zones != nil {
		if label := it.c.zones[category]; label != "" {
			return label
		}
	}
	v, _ := it.field(zoneField(category))
	text, _ := plain(v)
	return text
}
