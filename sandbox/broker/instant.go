package broker

import (
	"strconv"
	"time"
)

// instant is a point in time in nanoseconds since 1970; 0 is none.
type instant int64

func instantOf(t time.Time) instant { return instant(t.UnixNano()) }

// append appends it as the broker writes it: in UTC, with milliseconds.
func (t instant) append(dst []byte) []byte {
	return time.Unix(0, int64(t)).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

func (t instant) String() string { return string(t.append(nil)) }

// seconds is it as a bare number: whole seconds, or nine decimals.
func (t instant) seconds() value {
	if t%1e9 == 0 {
		return value{kind: number, text: strconv.FormatInt(int64(t/1e9), 10)}
	}
	n := strconv.FormatInt(int64(t), 10)
	for len(n) < 10 {
		n = "0" + n
	}
	return value{kind: number, text: n[:len(n)-9] + "." + n[len(n)-9:]}
}

// instantFrom reads ISO 8601 as NGSI-LD writes it.
func instantFrom(s string) (instant, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, false
	}
	return instantOf(t), true
}
