package agent

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/hlo-agent/hlo-agent/mapping"
)

// columns writes rows under each other. A pipe gets the same text as a terminal, but
// for colours. Widths only grow, so that rows that come later stand under those
// before.
type columns struct {
	out    io.Writer
	colour bool
	widths []int
}

// newColumns colours for a terminal, unless NO_COLOR is set or it can show none.
func newColumns(out io.Writer, getenv func(string) string) *columns {
	file, isFile := out.(*os.File)
	return &columns{out: out, colour: isFile && term.IsTerminal(int(file.Fd())) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}

// fit makes room for rows.
func (c *columns) fit(rows ...[]string) {
	for _, row := range rows {
		for i, cell := range row {
			if i == len(c.widths) {
				c.widths = append(c.widths, 0)
			}
			c.widths[i] = max(c.widths[i], utf8.RuneCountInString(cell))
		}
	}
}

// row writes one row; paint colours a cell, nil none.
func (c *columns) row(cells []string, paint func(column int, cell string) string) error {
	c.fit(cells)
	var b strings.Builder
	for i, cell := range cells {
		shown := cell
		if paint != nil && c.colour {
			shown = paint(i, cell)
		}
		b.WriteString(shown)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", c.widths[i]-utf8.RuneCountInString(cell)+2))
		}
	}
	_, err := fmt.Fprintln(c.out, strings.TrimRight(b.String(), " "))
	return err
}

// painted is a phase in its colour.
func painted(phase string) string {
	code := map[mapping.Phase]string{
		mapping.Running: "32", mapping.Succeeded: "32", mapping.Failed: "31", mapping.Refused: "31",
		mapping.Pending: "33", mapping.Progressing: "33", mapping.Removing: "33", mapping.Unknown: "35",
	}[mapping.Phase(phase)]
	if code == "" {
		return phase
	}
	return "\x1b[" + code + "m" + phase + "\x1b[0m"
}
