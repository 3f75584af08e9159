package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"go.yaml.in/yaml/v3"
)

// definition is a compiled mapping. It is immutable.
type definition struct {
	name, file   string
	description  string
	shipped      bool
	line, column int // of the name
	priority     int
	orphan       bool
	needs        []string
	when         []*expression
	lets         []let
	// discriminator is nil where each component must be asked.
	discriminator *discriminator
	requires      []requirement
	warnings      []template
	objects       []objectTemplate
}

// requirement is a condition without which a component is not rendered.
type requirement struct {
	that          *expression
	reason, field string
	message       template
	pending       bool
}

// compiler makes a definition of one YAML document.
type compiler struct {
	doc     *document
	render  *cel.Env
	status  *cel.Env
	known   map[entityKind][]string
	names   []string // that the mapping has defined so far
	mapping *definition
}

var wordPattern = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)

// definition compiles a document. Its problems are in c.doc; then the result is not to be used.
func (c *compiler) definition(root *yaml.Node) *definition {
	c.mapping = &definition{file: c.doc.file, line: root.Line, column: root.Column}
	c.known = vocabulary()
	top := c.doc.header(root, formatKind)
	if top == nil {
		return c.mapping
	}
	c.mapping.name, c.mapping.description = c.doc.metadata(root, top["metadata"])
	if name := c.doc.nameNode(top["metadata"]); name != nil {
		c.mapping.line, c.mapping.column = name.Line, name.Column
	}
	if top["spec"] == nil {
		c.doc.problem(root, "spec", "is missing")
		return c.mapping
	}
	c.spec(top["spec"])
	return c.mapping
}

func (c *compiler) spec(n *yaml.Node) {
	s := c.doc.fields(n, "spec", "priority", "deletePolicy", "needs", "attributes", "let", "when", "require", "warnings", "objects")
	c.mapping.priority = c.doc.integer(s["priority"], "spec.priority")
	c.deletePolicy(s["deletePolicy"])
	c.needs(s["needs"])
	c.attributes(s["attributes"])
	c.render, c.mapping.lets = c.lets(c.render, s["let"], "spec.let")
	for i, item := range c.doc.items(s["when"], "spec.when") {
		c.mapping.when = append(c.mapping.when, c.condition(c.render, item, index("spec.when", i), index("when", i)))
	}
	c.mapping.discriminator = c.discriminate()
	for i, item := range c.doc.items(s["require"], "spec.require") {
		c.mapping.requires = append(c.mapping.requires, c.requirement(item, index("spec.require", i), index("require", i)))
	}
	for i, item := range c.doc.items(s["warnings"], "spec.warnings") {
		if t := c.template(c.render, item, index("spec.warnings", i), index("warnings", i), 0); t != nil {
			c.mapping.warnings = append(c.mapping.warnings, t)
		}
	}
	objects := c.doc.items(s["objects"], "spec.objects")
	if len(objects) == 0 {
		c.doc.problem(n, "spec.objects", "at least one object is needed")
	}
	ids := map[string]bool{}
	for i, item := range objects {
		path := index("spec.objects", i)
		o := c.objectTemplate(item, path)
		if ids[o.id] {
			c.doc.problem(item, join(path, "id"), "each object of several needs an id of its own")
		}
		ids[o.id] = true
		c.mapping.objects = append(c.mapping.objects, o)
	}
}

// deletePolicy is what becomes of objects that are not wanted any more.
func (c *compiler) deletePolicy(n *yaml.Node) {
	if n == nil {
		return
	}
	word := c.doc.text(n, "spec.deletePolicy")
	if n.Tag == "!!str" && word != "delete" && word != "orphan" {
		c.doc.problem(n, "spec.deletePolicy", "is %s: want delete or orphan", quoted(word))
	}
	c.mapping.orphan = word == "orphan"
}

func (c *compiler) needs(n *yaml.Node) {
	known := []string{"element", "orchestrator", "domain", "service", portsVariable}
	for i, item := range c.doc.items(n, "spec.needs") {
		path := index("spec.needs", i)
		name := c.doc.text(item, path)
		if !slices.Contains(known, name) {
			c.doc.problem(item, path, "no linked entity is called %q%s", name, didYouMean(name, known, "known: "+strings.Join(known, ", ")))
		}
		c.mapping.needs = append(c.mapping.needs, name)
	}
}

// attributes declares names that would else be taken for misspellings.
func (c *compiler) attributes(n *yaml.Node) {
	if n == nil {
		return
	}
	var names []string
	byName := map[string]entityKind{}
	for kind := componentKind; kind <= portKind; kind++ {
		names = append(names, kind.variableName())
		byName[kind.variableName()] = kind
	}
	fields := c.doc.fields(n, "spec.attributes", names...)
	for _, name := range names {
		path := join("spec.attributes", name)
		for i, item := range c.doc.items(fields[name], path) {
			c.known[byName[name]] = append(c.known[byName[name]], c.doc.text(item, index(path, i)))
		}
	}
}

// lets compiles names in their order; each may use those before it.
func (c *compiler) lets(env *cel.Env, n *yaml.Node, path string) (*cel.Env, []let) {
	if n == nil {
		return env, nil
	}
	var lets []let
	for _, f := range c.doc.entries(n, path) {
		at := join(path, f.name)
		if !identifier.MatchString(f.name) || contains(reservedNames(), f.name) {
			c.doc.problem(f.key, at, "is no name for a value: letters, digits and _, and none of %s", strings.Join(reservedNames(), ", "))
			continue
		}
		resultType := cel.DynType
		if x := c.bare(env, f.value, at, "let."+f.name); x != nil {
			lets = append(lets, let{f.name, x})
			resultType = x.result
		}
		c.names = append(c.names, f.name)
		extended, err := env.Extend(cel.Variable(f.name, resultType))
		if err != nil {
			c.doc.problem(f.key, at, "%s", oneLine(err.Error()))
			continue
		}
		env = extended
	}
	return env, lets
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func reservedNames() []string {
	return []string{
		"component", "element", "orchestrator", "domain", "service", portsVariable, namespaceVariable, objectVariable,
		"true", "false", "null", "in", "optional", "math", "sets", "lists", "strings", "base64", "cel",
	}
}

// bare compiles a scalar that is one expression, without ${ }.
func (c *compiler) bare(env *cel.Env, n *yaml.Node, path, field string) *expression {
	var source string
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		source = n.Value // also `true` and `1`, which are expressions too
	default:
		c.doc.problem(n, path, "want an expression, got %s", nodeName(n))
		return nil
	}
	if strings.HasPrefix(strings.TrimSpace(source), "${") {
		c.doc.problem(n, path, "is an expression by itself: leave ${ } out")
		return nil
	}
	return c.expression(env, n, source, path, field)
}

// condition compiles an expression that is true or false.
func (c *compiler) condition(env *cel.Env, n *yaml.Node, path, field string) *expression {
	x := c.bare(env, n, path, field)
	if x == nil {
		return nil
	}
	if !x.result.IsExactType(cel.BoolType) && !x.result.IsExactType(cel.DynType) {
		c.doc.problemAt(x.line, x.column, path, "want true or false, the expression is %s: ${%s}", cel.FormatCELType(x.result), excerpt(x.source))
		return nil
	}
	return x
}

func (c *compiler) requirement(n *yaml.Node, path, at string) requirement {
	fields := c.doc.fields(n, path, "that", "reason", "message", "field", "pending")
	r := requirement{
		reason:  c.word(fields["reason"], n, join(path, "reason")),
		field:   c.doc.text(fields["field"], join(path, "field")),
		pending: c.doc.boolean(fields["pending"], join(path, "pending")),
	}
	if fields["that"] == nil {
		c.doc.problem(n, join(path, "that"), "is missing")
	} else {
		r.that = c.condition(c.render, fields["that"], join(path, "that"), at+".that")
	}
	if c.doc.required(fields["message"], n, join(path, "message")) != "" {
		r.message = c.text(c.render, fields["message"], join(path, "message"), at+".message")
	}
	return r
}

// word is a CamelCase word, as reasons are.
func (c *compiler) word(n, parent *yaml.Node, path string) string {
	word := c.doc.required(n, parent, path)
	if word != "" && !wordPattern.MatchString(word) {
		c.doc.problem(n, path, "is %q: a reason is one CamelCase word", word)
	}
	return word
}

// ownPrefix begins the labels and annotations that the agent itself sets.
const ownPrefix = "hlo-agent.github.io/"

func reserved(name string) bool { return strings.HasPrefix(name, ownPrefix) }

// nameProblem says why text is no name of at most limit lower case letters, digits and "-".
func nameProblem(text string, limit int) string {
	if len(text) <= limit && namePattern.MatchString(text) {
		return ""
	}
	return fmt.Sprintf("%s is no name: at most %d lower case letters, digits and -", quoted(text), limit)
}

var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
