package homing

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// expression is a threshold such as "< 500 km" or "10-20 ms", in the unit that
// its dimension is measured in.
type expression struct {
	op       string // = < > <= >= or - for a range, ends included
	low, top float64
}

// dimension is what an expression measures: its units by their factor, the first
// of which is the default.
type dimension struct {
	name  string
	units []unit
}

type unit struct {
	name   string
	factor float64
}

var (
	distance   = dimension{"distance", []unit{{"km", 1}, {"mi", 1.609344}}}
	duration   = dimension{"latency", []unit{{"ms", 1}, {"sec", 1000}}}
	throughput = dimension{"bandwidth", []unit{{"Mbps", 1}, {"Kbps", 0.001}, {"Gbps", 1000}}}
)

func (d dimension) accepted() string {
	names := make([]string, len(d.units))
	for i, u := range d.units {
		names[i] = u.name
	}
	return `[= < > <= >=] value [unit], or low-high [unit], with unit ` + strings.Join(names, " or ") + ` (default ` + names[0] + `)`
}

const numeral = `[+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?`

func thresholdPattern() *regexp.Regexp {
	return regexp.MustCompile(`^(<=|>=|=|<|>)?(` + numeral + `)(?:-(` + numeral + `))?([A-Za-z]*)$`)
}

// parseExpression reads a threshold of the given dimension; ok is false when it
// is none. White space is free, and a bare number is one with "=".
func (p *parser) parseExpression(v any, d dimension) (expression, bool) {
	text, isText := v.(string)
	if !isText {
		n, ok := number(v)
		return expression{"=", n, n}, ok && n >= 0
	}
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "\u00a0", " ")), " ")
	m := thresholdPattern().FindStringSubmatch(squeeze(text))
	if m == nil || m[3] != "" && m[1] != "" && m[1] != "=" {
		return expression{}, false
	}
	factor := 0.0
	for i, u := range d.units {
		if m[4] == u.name || m[4] == "" && i == 0 {
			factor = u.factor
		}
	}
	low, err := strconv.ParseFloat(m[2], 64)
	if err != nil || factor == 0 {
		return expression{}, false
	}
	if m[3] != "" {
		top, err := strconv.ParseFloat(m[3], 64)
		return expression{"-", min(low, top) * factor, max(low, top) * factor}, err == nil
	}
	op := m[1]
	if op == "" {
		op = "="
	}
	return expression{op, low * factor, low * factor}, true
}

// squeeze takes out the blanks, but not those between two parts of a number.
func squeeze(text string) string {
	var out strings.Builder
	for i := range len(text) {
		if text[i] == ' ' && i > 0 && i+1 < len(text) && wordy(text[i-1]) && wordy(text[i+1]) && !letter(text[i+1]) {
			out.WriteByte('?')
		} else if text[i] != ' ' {
			out.WriteByte(text[i])
		}
	}
	return out.String()
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func wordy(c byte) bool  { return letter(c) || c >= '0' && c <= '9' || c == '.' }

// holds reports whether a measured value satisfies the expression. Equality is
// meant within a millionth.
func (e expression) holds(v float64) bool {
	switch e.op {
	case "<":
		return v < e.low
	case ">":
		return v > e.low
	case "<=":
		return v <= e.low
	case ">=":
		return v >= e.low
	case "-":
		return v >= e.low && v <= e.top
	default:
		return math.Abs(v-e.low) <= 1e-6*math.Max(1, math.Abs(e.low))
	}
}

// expression reads a property that holds a threshold.
func (p *parser) expression(r *reader, key string, d dimension) expression {
	v, ok := r.m[key]
	if !ok || v == (any)(unresolved{}) {
		return expression{}
	}
	e, ok := p.parseExpression(v, d)
	if !ok {
		r.wrong(key, v, d.accepted())
	}
	return e
}
