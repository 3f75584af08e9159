package homing

import (
	"fmt"
	"math"
)

// earthRadius is that of the sphere on which distances are measured, in km.
const earthRadius = 6371.0

// greatCircle returns the distance of two points in km (haversine), exactly 0 for
// equal ones.
func greatCircle(lat1, lon1, lat2, lon2 float64) float64 {
	if lat1 == lat2 && lon1 == lon2 {
		return 0
	}
	const rad = math.Pi / 180
	sinLat, sinLon := math.Sin((lat2-lat1)*rad/2), math.Sin((lon2-lon1)*rad/2)
	h := sinLat*sinLat + math.Cos(lat1*rad)*math.Cos(lat2*rad)*sinLon*sinLon
	return 2 * earthRadius * math.Asin(math.Min(1, math.Sqrt(h)))
}

// toLocation is the body of distance_to_location.
type toLocation struct {
	distance expression
	location string
}

func (p *parser) distanceToLocation(_ *constraint, r *reader) any {
	r.need("distance", distance.accepted())
	return &toLocation{p.expression(r, "distance", distance), p.locationName(r, "location")}
}

func (b *toLocation) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	place := ev.places[b.location]
	for i, it := range d.items {
		if !it.placed {
			ev.note(c, d, "have no latitude and longitude")
			continue
		}
		ok[i] = b.distance.holds(greatCircle(it.lat, it.lon, place.Latitude, place.Longitude))
	}
	return ok
}

// betweenDemands is the body of distance_between_demands.
type betweenDemands struct{ distance expression }

func (p *parser) distanceBetween(_ *constraint, r *reader) any {
	r.need("distance", distance.accepted())
	return &betweenDemands{p.expression(r, "distance", distance)}
}

func (b *betweenDemands) measures(_ *evaluation, it *item) string {
	if !it.placed {
		return ""
	}
	return fmt.Sprint(it.lat, ",", it.lon)
}

// allows decides most pairs by the straight line through the Earth, which is three
// multiplications; those near the threshold are measured.
func (b *betweenDemands) allows(_ *evaluation, x, y *draw) (func(i, j int) bool, bool) {
	low, top := b.chords()
	return func(i, j int) bool {
		p, q := x.items[i], y.items[j]
		if !p.placed || !q.placed {
			return false
		}
		dx, dy, dz := p.at[0]-q.at[0], p.at[1]-q.at[1], p.at[2]-q.at[2]
		chord := dx*dx + dy*dy + dz*dz
		const margin = 1e-12
		switch {
		case chord < low-margin || chord > top+margin:
			return false
		case chord > low+margin && chord < top-margin:
			return true
		}
		return b.distance.holds(greatCircle(p.lat, p.lon, q.lat, q.lon))
	}, true
}

// chords returns the squares of the shortest and longest straight lines allowed,
// on a sphere of radius 1.
func (b *betweenDemands) chords() (low, top float64) {
	chord := func(km float64) float64 {
		if km >= math.Pi*earthRadius {
			return 5 // further than anything
		}
		s := 2 * math.Sin(km/earthRadius/2)
		return s * s
	}
	e := b.distance
	switch e.op {
	case "<", "<=":
		return -1, chord(e.low)
	case ">", ">=":
		return chord(e.low), 6
	case "-":
		return chord(e.low), chord(e.top)
	}
	slack := 2e-6 * math.Max(1, e.low)
	return chord(max(0, e.low-slack)) - 1e-9, chord(e.low+slack) + 1e-9
}

// vector is the point on a sphere of radius 1.
func vector(lat, lon float64) [3]float64 {
	const rad = math.Pi / 180
	c := math.Cos(lat * rad)
	return [3]float64{c * math.Cos(lon*rad), c * math.Sin(lon*rad), math.Sin(lat * rad)}
}
