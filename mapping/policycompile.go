package mapping

import (
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// policyPart is one policy as it was written.
type policyPart struct {
	name, file               string
	shipped                  bool
	line, column             int // of the name
	allow                    []Allowance
	registries, repositories []string
	rules                    []policyRule
}

// compilePolicies compiles the documents of a source. The shipped source is one document.
func compilePolicies(source Source, env *cel.Env) ([]*policyPart, Problems) {
	var parts []*policyPart
	doc := eachDocument(source, func(doc *document, root *yaml.Node) {
		p := &policyPart{file: source.Name, shipped: source.Shipped, line: root.Line, column: root.Column}
		p.compile(doc, root, env)
		parts = append(parts, p)
	})
	if len(parts) == 0 && len(doc.problems) == 0 {
		doc.problemAt(1, 1, "", "the file holds no policy")
	}
	return parts, doc.problems
}

func (p *policyPart) compile(doc *document, root *yaml.Node, env *cel.Env) {
	top := doc.header(root, policyKind)
	if top == nil {
		return
	}
	p.name, _ = doc.metadata(root, top["metadata"])
	if name := doc.nameNode(top["metadata"]); name != nil {
		p.line, p.column = name.Line, name.Column
	}
	if top["spec"] == nil {
		doc.problem(root, "spec", "is missing")
		return
	}
	spec := doc.fields(top["spec"], "spec", "allow", "registries", "repositories", "rules")
	for i, item := range doc.items(spec["allow"], "spec.allow") {
		p.allow = append(p.allow, doc.allowance(item, index("spec.allow", i)))
	}
	p.registries = doc.addresses(spec["registries"], "spec.registries")
	for i, address := range p.registries {
		if address == anywhere {
			continue
		}
		if host, _, _ := strings.Cut(address, "/"); registryHost(host+"/x") != host {
			doc.problem(spec["registries"].Content[i], index("spec.registries", i), "%s does not begin with a host, write docker.io/…?", quoted(address))
		}
	}
	p.repositories = doc.addresses(spec["repositories"], "spec.repositories")
	for i, item := range doc.items(spec["rules"], "spec.rules") {
		p.rules = append(p.rules, p.rule(doc, item, index("spec.rules", i), env))
	}
}

func (d *document) allowance(n *yaml.Node, path string) Allowance {
	fields := d.fields(n, path, "group", "kinds", "resources", "namespaces", "clusters", "within", "mappings")
	a := Allowance{
		Group:      d.text(fields["group"], join(path, "group")),
		Kinds:      d.texts(fields["kinds"], join(path, "kinds")),
		Resources:  d.texts(fields["resources"], join(path, "resources")),
		Namespaces: d.texts(fields["namespaces"], join(path, "namespaces")),
		Clusters:   d.texts(fields["clusters"], join(path, "clusters")),
		Within:     d.texts(fields["within"], join(path, "within")),
		Mappings:   d.texts(fields["mappings"], join(path, "mappings")),
	}
	if strings.Contains(a.Group, "/") {
		d.problem(fields["group"], join(path, "group"), "is a group without a version")
	}
	if len(a.Kinds) == 0 {
		d.problem(n, join(path, "kinds"), "at least one kind is needed")
	}
	switch {
	case fields["resources"] == nil:
		a.Resources = pluralsOf(a.Kinds)
	case len(a.Resources) != len(a.Kinds):
		d.problem(fields["resources"], join(path, "resources"), "want the plural name of each kind, in the order of kinds")
	}
	for i, name := range a.Resources {
		if len(validation.IsDNS1123Label(name)) > 0 && fields["resources"] != nil {
			at := fields["resources"].Content[i]
			d.problem(at, index(join(path, "resources"), i), "%s is no plural name: lower case letters and digits", quoted(name))
		}
	}
	for i, name := range a.Namespaces {
		if name != "*" && name != ownNamespace && len(validation.IsDNS1123Label(name)) > 0 {
			at := fields["namespaces"].Content[i]
			d.problem(at, index(join(path, "namespaces"), i), "%s is no name of a namespace, %s or %q", quoted(name), ownNamespace, "*")
		}
	}
	for i, name := range a.Clusters {
		if len(validation.IsDNS1123Label(name)) > 0 {
			d.problem(fields["clusters"].Content[i], index(join(path, "clusters"), i), "%s is no name of a cluster", quoted(name))
		}
	}
	if fields["clusters"] != nil && len(a.Clusters) == 0 {
		d.problem(fields["clusters"], join(path, "clusters"), "names no cluster: leave it out for any")
	}
	return a
}

// pluralsOf are the plural names that kinds have where nothing else is said.
func pluralsOf(kinds []string) []string {
	plurals := make([]string, len(kinds))
	for i, kind := range kinds {
		plural, _ := meta.UnsafeGuessKindToResource(schema.GroupVersionKind{Version: "v1", Kind: kind})
		plurals[i] = plural.Resource
	}
	return plurals
}

// texts are the items of a list of texts, none of them empty.
func (d *document) texts(n *yaml.Node, path string) []string {
	var texts []string
	for i, item := range d.items(n, path) {
		texts = append(texts, d.required(item, item, index(path, i)))
	}
	return texts
}

// anywhere stands for every address.
const anywhere = "*"

// addresses are the beginnings of images or of repositories, to a slash, or anywhere.
func (d *document) addresses(n *yaml.Node, path string) []string {
	texts := d.texts(n, path)
	for i, text := range texts {
		if text != anywhere && strings.ContainsAny(text, "*?$ ") || strings.Contains(text, "..") {
			d.problem(n.Content[i], index(path, i), "%s is no address: it is compared as text, to a slash", quoted(text))
		}
		texts[i] = strings.TrimRight(text, "/")
	}
	return texts
}

func (p *policyPart) rule(doc *document, n *yaml.Node, path string, env *cel.Env) policyRule {
	fields := doc.fields(n, path, "name", "at", "that", "message")
	r := policyRule{
		name: doc.required(fields["name"], n, join(path, "name")), policy: p.name, file: p.file, line: n.Line, column: n.Column,
		at: doc.texts(fields["at"], join(path, "at")), message: doc.required(fields["message"], n, join(path, "message")),
	}
	if problem := nameProblem(r.name, maxLabelLength); r.name != "" && problem != "" {
		doc.problem(fields["name"], join(path, "name"), "%s", problem)
	}
	if fields["at"] != nil && len(r.at) == 0 {
		doc.problem(fields["at"], join(path, "at"), "names no field: leave it out for a rule about whole objects")
	}
	if slices.ContainsFunc(r.at, func(name string) bool { return strings.ContainsAny(name, ".[ ") }) {
		doc.problem(fields["at"], join(path, "at"), "wants the names of fields, not paths: they are found however deep they are")
	}
	if strings.Contains(r.message, "${") {
		doc.problem(fields["message"], join(path, "message"), "must be plain text, so that it shows no value")
	}
	if fields["that"] == nil {
		doc.problem(n, join(path, "that"), "is missing")
		return r
	}
	c := &compiler{doc: doc, mapping: &definition{name: p.name}, names: policyNames()}
	r.that = c.condition(env, fields["that"], join(path, "that"), r.name)
	return r
}
