package homing

import "fmt"

// location is a named place of a template.
type location struct {
	name, host, clli string
	place            Place
	direct           bool
}

// Place is a point on Earth in decimal degrees, and the country if it is known.
type Place struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Country   string  `json:"country,omitempty"`
}

func (p *parser) locations(section any) {
	p.t.locations = map[string]location{}
	if section == nil {
		return
	}
	all, _ := open(section, "locations", " of name to location", p.found)
	for _, name := range sortedKeys(all.m) {
		r, ok := open(all.m[name], all.at(name), " with latitude and longitude, host_name or clli_code", p.found)
		p.t.locations[name] = p.location(name, r, ok)
	}
}

func (p *parser) location(name string, r *reader, ok bool) location {
	l := location{name: name, host: r.text("host_name"), clli: r.text("clli_code")}
	if !ok {
		return l
	}
	r.only("latitude", "longitude", "host_name", "clli_code")
	asked := r.has("host_name") || r.has("clli_code")
	switch l.direct = r.has("latitude") || r.has("longitude"); {
	case l.direct && asked:
		p.found.add(r.path, "has coordinates and a name to look up: accepted is latitude with longitude, or host_name, clli_code or both")
	case !l.direct && !asked:
		p.found.add(r.path, "says nothing: accepted is latitude with longitude, or host_name, clli_code or both")
	case l.direct:
		l.place.Latitude = p.degrees(r, "latitude", 90)
		l.place.Longitude = p.degrees(r, "longitude", 180)
	}
	if r.has("host_name") && l.host == "" {
		r.wrong("host_name", r.m["host_name"], "the name of a host")
	}
	if r.has("clli_code") && len(l.clli) != 8 {
		r.wrong("clli_code", r.m["clli_code"], "a code of 8 characters")
	}
	return l
}

func (p *parser) degrees(r *reader, key string, most float64) float64 {
	accepted := fmt.Sprintf("decimal degrees from %v to %v", -most, most)
	v, ok := r.need(key, accepted)
	if !ok {
		return 0
	}
	n, isNumber := number(v)
	if !isNumber || n < -most || n > most {
		r.wrong(key, v, accepted)
	}
	return n
}

// resolve finds the places of all locations of t. A location nobody knows is an
// error, as a constraint that needs it can be neither kept nor broken.
func (t *Template) resolve(inv *Inventory, found *findings) map[string]Place {
	places := make(map[string]Place, len(t.locations))
	for _, name := range sortedKeys(t.locations) {
		l := t.locations[name]
		place, ok := l.place, l.direct
		if !ok && l.host != "" {
			place, ok = inv.Hosts[l.host]
		}
		if !ok && l.clli != "" {
			place, ok = inv.CLLIs[l.clli]
		}
		if !ok {
			found.add("locations."+name, "Unable to resolve location %s: accepted is a host_name or clli_code that the inventory knows, or coordinates", name)
		}
		places[name] = place
	}
	return places
}
