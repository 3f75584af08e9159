package broker

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var errSyntax = errors.New("invalid JSON")

// maxDepth bounds how deep lists and objects may nest.
const maxDepth = 200

// parse reads exactly one JSON value. The texts in it are parts of in: what is
// kept for long must be copied.
func parse(in string) (value, error) {
	p := parser{in: in}
	v, err := p.value(0)
	if err != nil {
		return value{}, err
	}
	p.space()
	if p.at != len(p.in) {
		return value{}, errSyntax
	}
	return v, nil
}

// stored is the value of JSON text that this package has encoded itself.
func stored(in string) value {
	v, err := parse(in)
	if err != nil {
		return value{} // cannot be: appendValue writes what parse reads
	}
	return v
}

type parser struct {
	in string
	at int
}

func (p *parser) space() {
	for p.at < len(p.in) {
		switch p.in[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// next skips space and takes the byte when it is c.
func (p *parser) next(c byte) bool {
	p.space()
	if p.at < len(p.in) && p.in[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) value(depth int) (value, error) {
	p.space()
	if p.at >= len(p.in) || depth > maxDepth {
		return value{}, errSyntax
	}
	switch p.in[p.at] {
	case '{':
		return p.group(object, '}', depth)
	case '[':
		return p.group(list, ']', depth)
	case '"':
		s, err := p.text()
		return value{kind: text, text: s}, err
	case 't':
		return p.word("true", boolean)
	case 'f':
		return p.word("false", boolean)
	case 'n':
		return p.word("null", null)
	default:
		return p.number()
	}
}

func (p *parser) word(word string, k kind) (value, error) {
	if !strings.HasPrefix(p.in[p.at:], word) {
		return value{}, errSyntax
	}
	p.at += len(word)
	return value{kind: k, text: word}, nil
}

// group reads a list or an object; p.at is at its opening bracket.
func (p *parser) group(k kind, end byte, depth int) (value, error) {
	p.at++
	v := value{kind: k}
	if p.next(end) {
		return v, nil
	}
	for {
		var m member
		var err error
		if k == object {
			if m.name, err = p.name(); err != nil {
				return value{}, err
			}
		}
		if m.value, err = p.value(depth + 1); err != nil {
			return value{}, err
		}
		v.members = append(v.members, m)
		if p.next(end) {
			return v, nil
		}
		if !p.next(',') {
			return value{}, errSyntax
		}
	}
}

func (p *parser) name() (string, error) {
	p.space()
	name, err := p.text()
	if err == nil && !p.next(':') {
		err = errSyntax
	}
	return name, err
}

func (p *parser) text() (string, error) {
	if p.at >= len(p.in) || p.in[p.at] != '"' {
		return "", errSyntax
	}
	start := p.at + 1
	for i := start; i < len(p.in); i++ {
		switch c := p.in[i]; {
		case c == '"':
			p.at = i + 1
			return p.in[start:i], nil
		case c == '\\':
			p.at = start
			return p.escaped()
		case c < ' ':
			return "", errSyntax
		}
	}
	return "", errSyntax
}

// escaped reads a text that has escapes in it; p.at is behind its quote.
func (p *parser) escaped() (string, error) {
	var out []byte
	for p.at < len(p.in) {
		c := p.in[p.at]
		p.at++
		switch {
		case c == '"':
			return string(out), nil
		case c < ' ':
			return "", errSyntax
		case c != '\\':
			out = append(out, c)
			continue
		}
		r, err := p.escape()
		if err != nil {
			return "", err
		}
		out = utf8.AppendRune(out, r)
	}
	return "", errSyntax
}

func (p *parser) escape() (rune, error) {
	if p.at >= len(p.in) {
		return 0, errSyntax
	}
	c := p.in[p.at]
	p.at++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, errSyntax
	}
	r, err := p.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if !strings.HasPrefix(p.in[p.at:], `\u`) {
		return utf8.RuneError, nil
	}
	p.at += 2
	low, err := p.hex()
	return utf16.DecodeRune(r, low), err
}

func (p *parser) hex() (rune, error) {
	if len(p.in)-p.at < 4 {
		return 0, errSyntax
	}
	n, err := strconv.ParseUint(p.in[p.at:p.at+4], 16, 32)
	if err != nil {
		return 0, errSyntax
	}
	p.at += 4
	return rune(n), nil
}

func (p *parser) number() (value, error) {
	start := p.at
	for p.at < len(p.in) && strings.IndexByte("+-.0123456789eE", p.in[p.at]) >= 0 {
		p.at++
	}
	s := p.in[start:p.at]
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' {
		return value{}, errSyntax
	}
	if _, err := strconv.ParseFloat(s, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
		return value{}, errSyntax
	}
	return value{kind: number, text: s}, nil
}
