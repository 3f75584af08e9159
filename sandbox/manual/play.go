package manual

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// stopJobs ends what a page left running.
const stopJobs = `for job in $(jobs -p); do kill "$job"; done 2>/dev/null; wait`

// Play does the steps of a page in their order, in one shell, as the table says, and gives what each printed. The error
// is about the first step that failed or printed something else than its page says.
func (s *Stage) Play(ctx context.Context, table *Table, steps []Step) (printed []string, err error) {
	begun := regexp.MustCompile(`\x1e(\d+)\n`)
	ended := regexp.MustCompile(`\x1f(\d+)\n`)
	var b strings.Builder
	b.WriteString("trap '" + stopJobs + "; exit 143' TERM\n")
	for i, step := range steps {
		text := step.Text
		if step.File != "" {
			if err := s.write(step); err != nil {
				return nil, err
			}
			continue
		}
		text, ours := table.typed(text)
		if !ours {
			continue
		}
		// Within a sentence nothing lasts; elsewhere a directory or a variable does.
		left, right := "{", "}"
		if step.Span {
			left, right = "(", ")"
		}
		fmt.Fprintf(&b, "printf '\\036%d\\n'\n%s %s\n%s\ncode=$?; printf '\\037%%d\\n' $code\n", i, left, s.here(text), right)
		if step.from < 0 { // what others print says how they ended
			fmt.Fprintln(&b, "[ $code = 0 ] || { "+stopJobs+"; exit; }")
		}
	}
	b.WriteString(stopJobs + "\n")
	out, err := s.script(ctx, b.String())
	printed = make([]string, len(steps))
	parts := begun.Split(out, -1)
	numbers := begun.FindAllStringSubmatch(out, -1)
	for i, number := range numbers {
		n, _ := strconv.Atoi(number[1]) // digits
		said := parts[i+1]
		code := ended.FindStringSubmatch(said)
		said = strings.TrimRight(s.back(ended.Split(said, 2)[0]), "\n")
		printed[n] = said
		switch step := steps[n]; {
		case code == nil:
			return printed, fmt.Errorf("%s:%d: it did not end (%w): %s\n%s", step.Page, step.Line, cmp.Or(err, context.DeadlineExceeded), step.Text, said)
		case step.from >= 0:
			continue
		case code[1] != "0":
			return printed, fmt.Errorf("%s:%d: it ended with %s: %s\n%s", step.Page, step.Line, code[1], step.Text, said)
		}
	}
	if err != nil {
		return printed, fmt.Errorf("%s: %w\n%s", steps[0].Page, err, s.back(parts[len(parts)-1]))
	}
	return printed, nil
}

func (s *Stage) write(step Step) error {
	path := filepath.Join(s.Dir, filepath.FromSlash(step.File))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(s.here(step.Text)), 0o644)
}

// masks hide what differs from run to run, so that the rest can be compared.
var masks = []struct {
	pattern *regexp.Regexp
	mask    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?`), "TIME"},
	{regexp.MustCompile(`[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d( \w+)? \d{4}`), "TIME"},
	{regexp.MustCompile(`v0\.0\.0-g[0-9a-f]+(-dirty)?`), "VERSION"},
	{regexp.MustCompile(`go1\.[0-9.]+`), "GO"},
	{regexp.MustCompile(`\b[0-9a-f]{10,64}\b`), "DIGEST"},
	{regexp.MustCompile(`\b(\d+d)?(\d+h)?(\d+m)?\d+(\.\d+)?(ms|µs|s|m|h|d)\b`), "AGE"},
	{regexp.MustCompile(`\[\d+\] \d+\n?`), ""}, // a job in the background
	{regexp.MustCompile(`[ \t]+`), " "},
	{regexp.MustCompile(` ?\n ?`), "\n"},
	{regexp.MustCompile(`-{3,}`), "---"},
}

// Comparable is what a command printed without what differs from run to run.
func Comparable(text string) string {
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.mask)
	}
	return strings.TrimSpace(text)
}
