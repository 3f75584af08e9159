package broker

import (
	"regexp"
	"strings"
)

// filter is a q of NGSI-LD (clause 4.9): a term, or several joined.
type filter struct {
	join   byte // ';' and, '|' or, 0: the term
	kids   []*filter
	term   term
	source string // of the outermost: as it was written
}

// term is one condition of a q.
type term struct {
	absent bool     // !name
	name   string   // attribute, as the broker keeps it
	sub    []string // sub-attributes, a.b
	inside []string // keys inside the value, a[b]
	op     string   // "": it exists
	values []operand
	raw    string // the values as written
}

// operand is a value to compare with, or a range of them.
type operand struct {
	value, until value
	ranged       bool
	pattern      *regexp.Regexp
}

// parseQ reads a q; names are expanded with n.
func parseQ(q string, n *names) (*filter, *problem) {
	p := qParser{in: strings.ReplaceAll(q, "%22", `"`), names: n}
	f, err := p.either()
	if err == nil && p.at < len(p.in) {
		err = badQ("syntax error")
	}
	if err != nil {
		return nil, err
	}
	f.source = q
	return f, nil
}

func badQ(detail string) *problem { return badRequest("Invalid Q-Filter", detail) }

type qParser struct {
	in    string
	at    int
	names *names
}

func (p *qParser) peek() byte {
	if p.at < len(p.in) {
		return p.in[p.at]
	}
	return 0
}

func (p *qParser) either() (*filter, *problem) { return p.joined('|', p.both) }

func (p *qParser) both() (*filter, *problem) { return p.joined(';', p.one) }

func (p *qParser) joined(by byte, part func() (*filter, *problem)) (*filter, *problem) {
	f, err := part()
	if err != nil || p.peek() != by {
		return f, err
	}
	f = &filter{join: by, kids: []*filter{f}}
	for p.peek() == by {
		p.at++
		kid, err := part()
		if err != nil {
			return nil, err
		}
		f.kids = append(f.kids, kid)
	}
	return f, nil
}

func (p *qParser) one() (*filter, *problem) {
	if p.peek() != '(' {
		return p.condition()
	}
	p.at++
	if p.peek() == 0 || strings.Trim(p.in[p.at:], "(") == "" {
		return nil, badQ("expression can't end in a '('")
	}
	f, err := p.either()
	if err == nil && p.peek() != ')' {
		err = badQ("mismatching parenthesis")
	}
	p.at++
	return f, err
}

func (p *qParser) condition() (*filter, *problem) {
	t := term{}
	if p.peek() == '!' {
		t.absent = true
		p.at++
	}
	start := p.at
	for p.at < len(p.in) && strings.IndexByte("=!<>~;|()\"", p.in[p.at]) < 0 {
		p.at++
	}
	if start == p.at {
		return nil, badQ("no attribute name")
	}
	t.path(p.in[start:p.at], p.names)
	for _, op := range []string{"==", "!=", ">=", "<=", "~=", "!~=", ">", "<"} {
		if !t.absent && strings.HasPrefix(p.in[p.at:], op) {
			t.op = op
			p.at += len(op)
			start = p.at
			err := p.operands(&t)
			t.raw = p.in[start:p.at]
			return &filter{term: t}, err
		}
	}
	return &filter{term: t}, nil
}

// path splits name.sub[inside]; a URI has dots of its own and stays whole.
func (t *term) path(s string, n *names) {
	if i := strings.IndexByte(s, '['); i >= 0 && strings.HasSuffix(s, "]") {
		t.inside = strings.Split(s[i+1:len(s)-1], ".")
		s = s[:i]
	}
	if !strings.Contains(s, ":") {
		parts := strings.Split(s, ".")
		s = parts[0]
		for _, sub := range parts[1:] {
			t.sub = append(t.sub, n.expand(sub))
		}
	}
	t.name = n.expand(s)
}

func (p *qParser) operands(t *term) *problem {
	for {
		o, err := p.operand(t.op)
		if err != nil {
			return err
		}
		t.values = append(t.values, o)
		if p.peek() != ',' {
			return nil
		}
		p.at++
	}
}

func (p *qParser) operand(op string) (operand, *problem) {
	if op == "~=" || op == "!~=" {
		pattern, err := regexp.Compile(strings.Trim(p.until(";|)"), `"`))
		if err != nil {
			return operand{}, badQ("invalid regular expression")
		}
		return operand{pattern: pattern}, nil
	}
	v, err := p.literal()
	if err != nil || !strings.HasPrefix(p.in[p.at:], "..") {
		return operand{value: v}, err
	}
	p.at += 2
	until, err := p.literal()
	return operand{value: v, until: until, ranged: true}, err
}

func (p *qParser) until(stops string) string {
	start := p.at
	for p.at < len(p.in) && strings.IndexByte(stops, p.in[p.at]) < 0 {
		p.at++
	}
	return p.in[start:p.at]
}

// literal reads a quoted text, a number, a date or a boolean. Anything else is
// taken for the name of another attribute, which the broker does not do.
func (p *qParser) literal() (value, *problem) {
	if p.peek() == '"' {
		end := strings.IndexByte(p.in[p.at+1:], '"')
		if end < 0 {
			return value{}, badQ("string not terminated")
		}
		s := p.in[p.at+1 : p.at+1+end]
		p.at += end + 2
		return textValue(s), nil
	}
	start := p.at
	for p.at < len(p.in) && strings.IndexByte(";|),", p.in[p.at]) < 0 && !strings.HasPrefix(p.in[p.at:], "..") {
		p.at++
	}
	s := p.in[start:p.at]
	if v, err := parse(s); err == nil && (v.kind == number || v.kind == boolean) {
		return v, nil
	}
	if _, ok := instantFrom(s); ok {
		return textValue(s), nil
	}
	return value{}, badQ("Variable")
}

// String is the q as a subscription reads it back: what the broker makes of it,
// which for inequality and existence is not what was written.
func (f *filter) String() string {
	if f.join == 0 {
		return f.term.String()
	}
	parts := make([]string, len(f.kids))
	for i, kid := range f.kids {
		parts[i] = kid.String()
	}
	return strings.Join(parts, string(f.join))
}

func (t *term) String() string {
	switch {
	case t.absent || t.op == "!=":
		return "!"
	case t.op == "":
		return ""
	}
	return t.name + t.op + strings.ReplaceAll(t.raw, `"`, "%22")
}
