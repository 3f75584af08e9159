package ngsild

import (
	"strconv"
	"time"
)

// moments are the newest observedAt seen so far, as text and as a number, since
// Orion-LD gives a time that was merged back as seconds since 1970.
type moments struct {
	text    string
	seconds float64
}

// observe takes in the text of one observedAt. What is no time counts for nothing.
func (r *valueReader) observe(value []byte) {
	switch {
	case len(value) == 0:
	case value[0] == '"':
		// Times in UTC sort like text, but for parts of a second.
		if inner := value[1 : len(value)-1]; string(inner) > r.newest.text {
			r.newest.text = string(inner)
		}
	case value[0] == '{': // {"value": …}
		for m := membersOf(value); ; {
			key, inner, ok := m.next()
			if !ok {
				return
			}
			if string(key) == `"value"` && inner[0] != '{' {
				r.observe(inner)
			}
		}
	default:
		if n, err := strconv.ParseFloat(string(value), 64); err == nil && n > r.newest.seconds && n < 1e11 {
			r.newest.seconds = n
		}
	}
}

// observedIn finds observedAt in what Orion-LD puts under `md`.
func observedIn(md []byte) []byte {
	if md[0] != '{' {
		return nil
	}
	for m := membersOf(md); ; {
		key, value, ok := m.next()
		if !ok {
			return nil
		}
		if string(key) == `"observedAt"` {
			return value
		}
	}
}

func (m *moments) latest() time.Time {
	at, err := time.Parse(time.RFC3339, m.text)
	if err != nil {
		at = time.Time{}
	}
	if other := time.UnixMilli(int64(m.seconds * 1000)); m.seconds > 0 && other.After(at) {
		at = other
	}
	return at.UTC()
}
