package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	maxFile  = 1 << 20
	maxNodes = 50_000 // after aliases are followed
	maxDepth = 64
)

// document reads the nodes of one file strictly and gathers what is wrong with it.
type document struct {
	file     string
	lines    []string
	problems Problems
	nodes    int
	full     bool // more nodes than a file may have
}

func (d *document) problem(n *yaml.Node, path, format string, args ...any) {
	d.problemAt(n.Line, n.Column, path, format, args...)
}

func (d *document) problemAt(line, column int, path, format string, args ...any) {
	if d.full {
		return // what comes after the limit follows from it
	}
	d.problems = append(d.problems, Problem{d.file, line, column, path, fmt.Sprintf(format, args...)})
}

// field is one entry of a YAML mapping.
type field struct {
	name       string
	key, value *yaml.Node
}

// entries are the entries of a mapping node, with keys that are texts and there once.
func (d *document) entries(n *yaml.Node, path string) []field {
	n = d.resolve(n)
	if n.Kind != yaml.MappingNode {
		d.problem(n, path, "want a map, got %s", nodeName(n))
		return nil
	}
	seen := map[string]bool{}
	fields := make([]field, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], d.resolve(n.Content[i+1])
		switch {
		case key.Tag == "!!merge":
			d.problem(key, path, "merge keys are not supported")
			continue
		case key.Kind != yaml.ScalarNode || key.Tag != "!!str":
			d.problem(key, path, "a key must be a text: put it in quotes")
			continue
		case seen[key.Value]:
			d.problem(key, join(path, key.Value), "the key is there twice")
			continue
		}
		seen[key.Value] = true
		fields = append(fields, field{key.Value, key, value})
	}
	return fields
}

// fields are the entries by name; others than the known ones are problems.
func (d *document) fields(n *yaml.Node, path string, known ...string) map[string]*yaml.Node {
	byName := map[string]*yaml.Node{}
	for _, f := range d.entries(n, path) {
		if !contains(known, f.name) {
			d.problem(f.key, join(path, f.name), "unknown key%s", didYouMean(f.name, known, "known: "+strings.Join(known, ", ")))
			continue
		}
		byName[f.name] = f.value
	}
	return byName
}

func contains(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}

// didYouMean ends a message with the nearest word, else with otherwise.
func didYouMean(word string, words []string, otherwise string) string {
	if near := nearest(word, words); near != "" {
		return `, did you mean "` + near + `"?`
	}
	return ", " + otherwise
}

// items are the items of a sequence node; nil if n is nil.
func (d *document) items(n *yaml.Node, path string) []*yaml.Node {
	if n == nil {
		return nil
	}
	n = d.resolve(n)
	if n.Kind != yaml.SequenceNode {
		d.problem(n, path, "want a list, got %s", nodeName(n))
		return nil
	}
	items := make([]*yaml.Node, len(n.Content))
	for i, item := range n.Content {
		items[i] = d.resolve(item)
	}
	return items
}

// text is the text of a scalar; empty if n is nil.
func (d *document) text(n *yaml.Node, path string) string {
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		d.problem(n, path, "want a text, got %s", nodeName(n))
		return ""
	}
	return n.Value
}

// required is text, but it must be there.
func (d *document) required(n *yaml.Node, parent *yaml.Node, path string) string {
	if n == nil {
		d.problem(parent, path, "is missing")
		return ""
	}
	text := d.text(n, path)
	if text == "" && n.Tag == "!!str" {
		d.problem(n, path, "is empty")
	}
	return text
}

func (d *document) integer(n *yaml.Node, path string) int {
	if n == nil {
		return 0
	}
	number, err := strconv.Atoi(n.Value)
	if n.Tag != "!!int" || err != nil {
		d.problem(n, path, "want a whole number, got %s", nodeName(n))
	}
	return number
}

func (d *document) boolean(n *yaml.Node, path string) bool {
	if n == nil {
		return false
	}
	var value bool
	if n.Tag != "!!bool" || n.Decode(&value) != nil {
		d.problem(n, path, "want true or false, got %s", nodeName(n))
	}
	return value
}

// resolve follows aliases. A file that unfolds to too many nodes ends in empty ones.
func (d *document) resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.nodes++; d.nodes > maxNodes {
		if d.nodes == maxNodes+1 {
			d.problem(n, "", "the file has more than %d nodes", maxNodes)
			d.full = true
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: n.Line, Column: n.Column}
	}
	return n
}

func nodeName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!str":
		return "a text"
	case "!!null":
		return "nothing"
	case "!!bool":
		return "a boolean"
	case "!!int", "!!float":
		return "a number"
	}
	return n.Tag
}

// locate finds where text of a scalar node stands in the file: as written if it is on one line there,
// else the start of the node.
func (d *document) locate(n *yaml.Node, text string) (line, column int) {
	first, _, _ := strings.Cut(text, "\n")
	first = strings.TrimSpace(first)
	for at := n.Line; first != "" && at <= len(d.lines) && at < n.Line+200; at++ {
		rest, skipped := d.lines[at-1], 0
		if at == n.Line {
			skipped = byteOfColumn(rest, n.Column)
			rest = rest[skipped:]
		}
		if found := strings.Index(rest, first); found >= 0 {
			return at, utf8.RuneCountInString(d.lines[at-1][:skipped+found]) + 1
		}
	}
	return n.Line, n.Column
}

func byteOfColumn(text string, column int) int {
	at := 0
	for i := 1; i < column && at < len(text); i++ {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

// join makes the path of an entry.
func join(path, name string) string {
	if path == "" {
		return name
	}
	if strings.ContainsAny(name, "./[] ") {
		return path + "[" + strconv.Quote(name) + "]"
	}
	return path + "." + name
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
