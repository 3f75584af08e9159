package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is something wrong with a mapping file.
type Problem struct {
	File         string
	Line, Column int // from 1; 0 where only the file is known
	// Path leads to the place in the file: "spec.objects[0].object.spec.image". It may be empty.
	Path string
	// Message is one line, with the expression as written where one is at fault.
	Message string
}

// String is FILE:LINE:COL: path: message.
func (p Problem) String() string {
	text := p.Message
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, text)
}

// Problems are all that is wrong with a set of files, in the order of file and place.
type Problems []Problem

// Error has one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
