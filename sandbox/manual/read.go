package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Step is something that a page has its reader do: type Text, or write Text into File.
type Step struct {
	Page string
	Line int // from 1
	Text string
	File string // not empty: Text is the text of this file, in the folder where things are typed
	Span bool   // it stands within a sentence: whatever it does to the shell does not last

	// For a command in a block of console: what the page says that it prints.
	Printed  string
	from, to int // the lines of Printed, from 0; from is -1 where nothing is said
}

// programs are what commands begin with.
var programs = []string{"make", "go", "git", "curl", "kubectl", "helm", "hlo-agent", "hlo-sandbox", "bin/hlo-agent", "bin/hlo-sandbox", "docker", "cd", "promtool"}

var (
	spanPattern  = regexp.MustCompile("`([^`]+)`")
	namedPattern = regexp.MustCompile(`^\S+ (\S+\.\w+)$`)
)

// Pages are the documents below the project's folder, by their paths from there.
func Pages(root string) ([]string, error) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			page, err := filepath.Rel(root, path)
			if err != nil {
				return nil, err
			}
			pages = append(pages, filepath.ToSlash(page))
		}
	}
	return pages, nil
}

// Read gives the steps of a page in their order. A command outside of a fenced block and of a span is an error, since
// nobody would execute it.
func Read(root, page string) ([]Step, error) {
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	return read(page, string(text))
}

func read(page, text string) ([]Step, error) {
	lines := strings.Split(text, "\n")
	var steps []Step
	for i := 0; i < len(lines); i++ {
		info, fenced := strings.CutPrefix(lines[i], "```")
		if !fenced {
			if command := strings.TrimPrefix(strings.TrimSpace(lines[i]), "$ "); strings.HasPrefix(lines[i], "    ") && isCommand(command) {
				return nil, fmt.Errorf("%s:%d: %q belongs into a fenced block of sh", page, i+1, command)
			}
			for _, span := range spanPattern.FindAllStringSubmatch(lines[i], -1) {
				if isCommand(span[1]) {
					steps = append(steps, Step{Page: page, Line: i + 1, Text: strings.ReplaceAll(span[1], `\|`, "|"), Span: true, from: -1})
				}
			}
			continue
		}
		end := i + 1
		for end < len(lines) && lines[end] != "```" {
			end++
		}
		if end == len(lines) {
			return nil, fmt.Errorf("%s:%d: the block has no end", page, i+1)
		}
		steps = append(steps, block(page, info, lines, i+1, end)...)
		i = end
	}
	return steps, nil
}

func isCommand(text string) bool {
	first, rest, _ := strings.Cut(text, " ")
	return strings.TrimSpace(rest) != "" && slices.Contains(programs, first)
}

// block gives the steps of the lines from begin to end, which are in one fenced block.
func block(page, info string, lines []string, begin, end int) []Step {
	if named := namedPattern.FindStringSubmatch(info); named != nil {
		return []Step{{Page: page, Line: begin, File: named[1], Text: strings.Join(lines[begin:end], "\n") + "\n", from: -1}}
	}
	if info != "sh" && info != "console" {
		return nil
	}
	var steps []Step
	for i := begin; i < end; {
		command, isPrompt := strings.CutPrefix(lines[i], "$ ")
		if info == "sh" && (strings.TrimSpace(command) == "" || strings.HasPrefix(command, "#")) {
			i++
			continue
		}
		s := Step{Page: page, Line: i + 1, Text: command, from: -1}
		for i++; i < end && strings.HasSuffix(s.Text, `\`); i++ {
			s.Text += "\n" + lines[i]
		}
		if info == "console" && isPrompt {
			s.from = i
			for i < end && !strings.HasPrefix(lines[i], "$ ") {
				i++
			}
			s.to, s.Printed = i, strings.Join(lines[s.from:i], "\n")
		}
		steps = append(steps, s)
	}
	return steps
}

// rewritten is the text of a page with what its commands printed now, by step.
func rewritten(text string, steps []Step, printed []string) string {
	lines := strings.Split(text, "\n")
	for i := len(steps) - 1; i >= 0; i-- {
		if s := steps[i]; s.from >= 0 {
			lines = slices.Replace(lines, s.from, s.to, strings.Split(printed[i], "\n")...)
			if printed[i] == "" {
				lines = slices.Delete(lines, s.from, s.from+1)
			}
		}
	}
	return strings.Join(lines, "\n")
}
