package broker

// appendFeature appends an entity as a GeoJSON feature.
func (s *shape) appendFeature(dst []byte, e *entity, attrs []shown) []byte {
	inner := *s
	inner.context = nil
	dst = appendText(append(dst, `{"id":`...), e.id)
	dst = appendText(append(dst, `,"type":"Feature","properties":{"type":`...), s.names.compact(e.typ))
	for _, a := range attrs {
		dst = inner.appendAttribute(dst, a)
	}
	dst = append(dst, '}')
	if s.context != nil {
		dst = appendValue(append(dst, `,"@context":`...), *s.context)
	}
	dst = append(dst, `,"geometry":`...)
	place := value{}
	for _, a := range attrs {
		if a.name == "location" {
			place, _ = stored(a.body).get("value")
		}
	}
	return append(appendValue(dst, place), '}')
}
