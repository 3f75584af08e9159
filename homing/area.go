package homing

import (
	"encoding/json"
	"math"
)

// ring is a closed line of [longitude, latitude]; a polygon is an outline and the
// rings of its holes.
type (
	ring    [][2]float64
	polygon []ring
)

// withinArea is the body of a within_area constraint.
type withinArea struct{ polygons []polygon }

const acceptedArea = "GeoJSON of type Polygon or MultiPolygon, coordinates as [longitude, latitude]"

func (p *parser) withinArea(_ *constraint, r *reader) any {
	v, ok := r.need("area", acceptedArea)
	if !ok {
		return nil
	}
	polygons := readArea(v)
	if polygons == nil {
		r.wrong("area", v, acceptedArea+", each ring of four points or more")
	}
	return &withinArea{polygons}
}

// readArea reads GeoJSON, also as text; nil if it is no area.
func readArea(v any) []polygon {
	if text, ok := v.(string); ok {
		var m map[string]any
		if json.Unmarshal([]byte(text), &m) != nil {
			return nil
		}
		v = m
	}
	m, _ := v.(map[string]any)
	coordinates, _ := m["coordinates"].([]any)
	var polygons []polygon
	switch m["type"] {
	case "Polygon":
		polygons = append(polygons, readPolygon(coordinates))
	case "MultiPolygon":
		for _, item := range coordinates {
			list, _ := item.([]any)
			polygons = append(polygons, readPolygon(list))
		}
	}
	for _, p := range polygons {
		if p == nil {
			return nil
		}
	}
	return polygons
}

func readPolygon(list []any) polygon {
	var p polygon
	for _, item := range list {
		points, _ := item.([]any)
		var r ring
		for _, point := range points {
			lat, lon, ok := readPoint(point)
			if !ok {
				return nil
			}
			r = append(r, [2]float64{lon, lat})
		}
		if len(r) < 4 {
			return nil
		}
		p = append(p, r)
	}
	return p
}

// readPoint reads [longitude, latitude], and an altitude that does not matter.
func readPoint(v any) (lat, lon float64, ok bool) {
	pair, _ := v.([]any)
	if len(pair) < 2 {
		return 0, 0, false
	}
	lon, ok = number(pair[0])
	lat, also := number(pair[1])
	return lat, lon, ok && also && math.Abs(lat) <= 90 && math.Abs(lon) <= 360
}

func (b *withinArea) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	for i, it := range d.items {
		if !it.placed {
			ev.note(c, d, "have no latitude and longitude")
			continue
		}
		for _, p := range b.polygons {
			ok[i] = ok[i] || p.covers(it)
		}
	}
	return ok
}

// covers reports whether the candidate's point, or every corner of its area, is
// inside.
func (p polygon) covers(it *item) bool {
	if len(it.c.area) == 0 {
		return p.contains(it.lat, it.lon)
	}
	for _, part := range it.c.area {
		for _, corner := range part[0] {
			if !p.contains(corner[1], corner[0]) {
				return false
			}
		}
	}
	return true
}

// contains reports whether the point is inside or on the border. Lines are
// straight in degrees, and take the short way across the antimeridian.
func (p polygon) contains(lat, lon float64) bool {
	if len(p) == 0 {
		return false
	}
	inside, border := p[0].winds(lat, lon)
	if border {
		return true
	}
	for _, hole := range p[1:] {
		in, border := hole.winds(lat, lon)
		if border {
			return true
		}
		inside = inside && !in
	}
	return inside
}

// winds counts crossings of a line from the point to the east.
func (r ring) winds(lat, lon float64) (inside, border bool) {
	x := make([]float64, len(r))
	for i, point := range r {
		x[i] = point[0]
		if i > 0 {
			x[i] = x[i-1] + math.Remainder(point[0]-r[i-1][0], 360)
		}
	}
	for _, shift := range []float64{-360, 0, 360} {
		in, on := crossing(r, x, lat, lon+shift)
		inside, border = inside || in, border || on
	}
	return inside, border
}

func crossing(r ring, x []float64, lat, lon float64) (inside, border bool) {
	const touch = 1e-12
	for i := range r {
		j := (i + 1) % len(r)
		x1, y1, x2, y2 := x[i], r[i][1], x[j], r[j][1]
		if j == 0 && x1 == x2 && y1 == y2 {
			continue
		}
		cross := (x2-x1)*(lat-y1) - (y2-y1)*(lon-x1)
		if math.Abs(cross) <= touch && lon >= min(x1, x2)-touch && lon <= max(x1, x2)+touch &&
			lat >= min(y1, y2)-touch && lat <= max(y1, y2)+touch {
			return false, true
		}
		if (y1 > lat) != (y2 > lat) && lon < (x2-x1)*(lat-y1)/(y2-y1)+x1 {
			inside = !inside
		}
	}
	return inside, false
}
