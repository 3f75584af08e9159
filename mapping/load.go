package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Set is a set of mappings, ready for use. It is immutable and safe for concurrent use.
type Set struct {
	// mappings by falling priority, then by name.
	mappings []*definition
	choice   *choice
	kinds    []schema.GroupVersionKind
}

// Default is the shipped set for the technologies of aerOS. It panics if the program was built with a
// mapping file that is wrong, which its tests exclude.
func Default() *Set {
	sources, err := Shipped("aeros-k8s", "aeros-docker", "aeros-containerd")
	if err != nil {
		panic(err)
	}
	set, err := Load(sources...)
	if err != nil {
		panic(err)
	}
	return set
}

// Load compiles mappings and checks all of them. The error is of type Problems and holds everything
// that is wrong.
func Load(sources ...Source) (*Set, error) {
	mappings, problems, err := compileAll(sources)
	if err != nil {
		return nil, err
	}
	mappings, doubled := withoutOverridden(mappings)
	problems = append(problems, doubled...)
	if len(problems) > 0 {
		problems.sort()
		return nil, problems
	}
	slices.SortFunc(mappings, compareMappings)
	set := &Set{mappings: mappings, choice: newChoice(mappings)}
	for _, m := range mappings {
		for _, o := range m.objects {
			set.kinds = append(set.kinds, o.kind)
		}
	}
	slices.SortFunc(set.kinds, compareKinds)
	set.kinds = slices.Compact(set.kinds)
	return set, nil
}

// Lint is what Load would find wrong and, of files that begin with a policy, LoadPolicy.
func Lint(sources ...Source) Problems {
	var mappings, policies []Source
	for _, source := range sources {
		if holdsPolicy(source) {
			policies = append(policies, source)
		} else {
			mappings = append(mappings, source)
		}
	}
	_, err := Load(mappings...)
	var policyErr error
	if len(policies) > 0 {
		_, policyErr = LoadPolicy(policies...)
	}
	var all Problems
	for _, err := range []error{err, policyErr} {
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			problems = Problems{{Message: oneLine(err.Error())}}
		}
		all = append(all, problems...)
	}
	all.sort()
	return all
}

// holdsPolicy reports a source whose first document is a policy.
func holdsPolicy(source Source) bool {
	if len(source.Data) > maxFile {
		return false
	}
	var first struct{ Kind yaml.Node }
	err := yaml.NewDecoder(bytes.NewReader(source.Data)).Decode(&first)
	return err == nil && first.Kind.Value == policyKind
}

// Kinds are the kinds of objects that the set can render, sorted. The caller owns the slice.
func (s *Set) Kinds() []schema.GroupVersionKind { return slices.Clone(s.kinds) }

func compareMappings(a, b *definition) int {
	if a.priority != b.priority {
		return b.priority - a.priority
	}
	return strings.Compare(a.name, b.name)
}

func compileAll(sources []Source) ([]*definition, Problems, error) {
	render, status, err := environments()
	if err != nil {
		return nil, nil, err
	}
	var mappings []*definition
	var problems Problems
	for _, source := range sources {
		found, wrong := compileSource(source, render, status)
		mappings, problems = append(mappings, found...), append(problems, wrong...)
	}
	return mappings, problems, nil
}

func compileSource(source Source, render, status *cel.Env) ([]*definition, Problems) {
	var mappings []*definition
	doc := eachDocument(source, func(doc *document, root *yaml.Node) {
		c := &compiler{doc: doc, render: render, status: status}
		m := c.definition(root)
		m.shipped = source.Shipped
		mappings = append(mappings, m)
	})
	if len(mappings) == 0 && len(doc.problems) == 0 {
		doc.problemAt(1, 1, "", "the file holds no mapping")
	}
	return mappings, doc.problems
}

// eachDocument reads the YAML documents of a source; empty ones are left out.
func eachDocument(source Source, visit func(doc *document, root *yaml.Node)) *document {
	doc := &document{file: source.Name}
	if len(source.Data) > maxFile {
		doc.problemAt(1, 1, "", "the file is larger than %d bytes", maxFile)
		return doc
	}
	doc.lines = strings.Split(string(source.Data), "\n")
	for decoder := yaml.NewDecoder(bytes.NewReader(source.Data)); ; {
		var root yaml.Node
		err := decoder.Decode(&root)
		if errors.Is(err, io.EOF) {
			return doc
		}
		if err != nil {
			line, message := yamlError(err)
			doc.problemAt(line, 1, "", "%s", message)
			return doc
		}
		if len(root.Content) > 0 && root.Content[0].Tag != "!!null" {
			visit(doc, root.Content[0])
		}
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlError takes the line out of the parser's message.
func yamlError(err error) (line int, message string) {
	text := oneLine(err.Error())
	if found := yamlLine.FindStringSubmatch(text); found != nil {
		line, _ = strconv.Atoi(found[1]) // empty where it names none
		text = strings.TrimPrefix(text, found[0])
	}
	if strings.Contains(text, "mapping values are not allowed") {
		text += ` (an expression with ": " in it must stand in quotes)`
	}
	return max(line, 1), "not YAML: " + text
}

// withoutOverridden drops shipped mappings that another one replaces; any other name twice is wrong.
func withoutOverridden(mappings []*definition) ([]*definition, Problems) {
	byName := map[string]*definition{}
	var problems Problems
	for _, m := range mappings {
		before, there := byName[m.name]
		switch {
		case m.name == "":
			continue
		case !there || before.shipped && !m.shipped:
			byName[m.name] = m
		case m.shipped && !before.shipped:
			continue
		default:
			problems = append(problems, Problem{m.file, m.line, m.column, "metadata.name",
				fmt.Sprintf("the mapping %q is in %s too", m.name, before.file)})
		}
	}
	kept := mappings[:0:0]
	for _, m := range mappings {
		if byName[m.name] == m {
			kept = append(kept, m)
		}
	}
	return kept, problems
}
