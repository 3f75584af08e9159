package broker

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	clockFields = []string{
		"createdAt", "modifiedAt", "deletedAt", "notifiedAt", "lastNotification", "lastFailure", "lastSuccess",
		"contextSourceTimeAt",
	}
)

// compareJSON tells how two JSON texts differ; "" if they do not. The order of
// members and the text of UUIDs do not matter. Times that the broker's clock
// gives may differ by slack; a negative slack compares only that they are times.
func compareJSON(got, want string, slack time.Duration) string {
	w, err := parse(want)
	if err != nil {
		return "want is no JSON: " + want
	}
	g, err := parse(got)
	if err != nil {
		return "got is no JSON: " + got
	}
	return compareValues("$", g, w, slack)
}

func compareValues(path string, got, want value, slack time.Duration) string {
	if got.kind != want.kind {
		return fmt.Sprintf("%s: got %s, want %s", path, appendValue(nil, got), appendValue(nil, want))
	}
	switch got.kind {
	case object:
		return compareObjects(path, got, want, slack)
	case list:
		if len(got.members) != len(want.members) {
			return fmt.Sprintf("%s: got %d items, want %d:\n got %s\nwant %s", path, len(got.members), len(want.members), appendValue(nil, got), appendValue(nil, want))
		}
		for i := range got.members {
			if d := compareValues(path+"["+strconv.Itoa(i)+"]", got.members[i].value, want.members[i].value, slack); d != "" {
				return d
			}
		}
		return ""
	}
	g, w := uuidPattern.ReplaceAllString(got.text, "UUID"), uuidPattern.ReplaceAllString(want.text, "UUID")
	if g != w && !closeNumbers(got, want) {
		return fmt.Sprintf("%s: got %s, want %s", path, g, w)
	}
	return ""
}

// closeNumbers allows for float text that differs in its last digits.
func closeNumbers(got, want value) bool {
	g, errG := strconv.ParseFloat(got.text, 64)
	w, errW := strconv.ParseFloat(want.text, 64)
	return got.kind == number && errG == nil && errW == nil && math.Abs(g-w) <= 1e-12*math.Abs(w)
}

// compareObjects compares members by name; a name may be there twice.
func compareObjects(path string, got, want value, slack time.Duration) string {
	byName := func(a, b member) int { return strings.Compare(a.name, b.name) }
	g, w := slices.Clone(got.members), slices.Clone(want.members)
	slices.SortStableFunc(g, byName)
	slices.SortStableFunc(w, byName)
	if !slices.EqualFunc(g, w, func(a, b member) bool { return a.name == b.name }) {
		return fmt.Sprintf("%s: members differ:\n got %s\nwant %s", path, appendValue(nil, got), appendValue(nil, want))
	}
	for i := range g {
		at := path + "." + g[i].name
		if slices.Contains(clockFields, g[i].name) {
			if d := compareTimes(at, g[i].value, w[i].value, slack); d != "" {
				return d
			}
			continue
		}
		if d := compareValues(at, g[i].value, w[i].value, slack); d != "" {
			return d
		}
	}
	return ""
}

func compareTimes(path string, got, want value, slack time.Duration) string {
	g, okG := timeIn(got)
	w, okW := timeIn(want)
	if !okG || !okW || got.kind != want.kind {
		return fmt.Sprintf("%s: not both times of one form: got %s, want %s", path, got.text, want.text)
	}
	if off := g.Sub(w).Abs(); slack >= 0 && off > slack {
		return fmt.Sprintf("%s: got %s, want %s, off by %s", path, got.text, want.text, off)
	}
	return ""
}

func timeIn(v value) (time.Time, bool) {
	if v.kind == number {
		seconds, err := strconv.ParseFloat(v.text, 64)
		return time.UnixMilli(int64(seconds * 1000)), err == nil
	}
	t, err := time.Parse("2006-01-02T15:04:05.000Z", v.text)
	return t, err == nil
}

func compareAnswers(got, want *message, slack time.Duration) string {
	if got.first != want.first {
		return fmt.Sprintf("got %s, want %s (%s)", got.first, want.first, got.body)
	}
	if g, w := comparableHeaders(got), comparableHeaders(want); !slices.Equal(g, w) {
		return fmt.Sprintf("headers:\n got %q\nwant %q", g, w)
	}
	if got.body == "" && want.body == "" {
		return ""
	}
	return compareJSON(got.body, want.body, slack)
}

// comparableHeaders are the headers with their names as sent, short of what the
// HTTP libraries decide; UUIDs are alike.
func comparableHeaders(m *message) []string {
	var out []string
	for _, h := range m.headers {
		switch strings.ToLower(h.key) {
		case "date", "content-length", "x-content-length", "connection":
			continue
		}
		if h.key == "Location" {
			h.value = latin1(h.value)
		}
		out = append(out, h.key+": "+uuidPattern.ReplaceAllString(h.value, "UUID"))
	}
	slices.Sort(out)
	return out
}

// latin1 undoes the reading of UTF-8 as Latin-1, which the captures have in
// headers.
func latin1(s string) string {
	var out []byte
	for _, c := range s {
		if c > 0xff {
			return s
		}
		out = append(out, byte(c))
	}
	if !utf8.Valid(out) {
		return s
	}
	return string(out)
}
