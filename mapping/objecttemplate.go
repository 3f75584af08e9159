package mapping

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// objectTemplate renders one object.
type objectTemplate struct {
	id     string
	when   *expression // nil: always
	kind   schema.GroupVersionKind
	body   template
	status *statusRules // nil: read by convention
}

func (c *compiler) objectTemplate(n *yaml.Node, path string) objectTemplate {
	fields := c.doc.fields(n, path, "id", "when", "object", "status")
	o := objectTemplate{id: c.doc.text(fields["id"], join(path, "id"))}
	if problem := nameProblem(o.id, maxLabelLength); o.id != "" && problem != "" {
		c.doc.problem(fields["id"], join(path, "id"), "%s", problem)
	}
	if fields["when"] != nil {
		o.when = c.condition(c.render, fields["when"], join(path, "when"), "when")
	}
	if fields["status"] != nil {
		o.status = c.statusRules(fields["status"], join(path, "status"))
	}
	if fields["object"] == nil {
		c.doc.problem(n, join(path, "object"), "is missing")
		return o
	}
	o.kind = c.objectKind(fields["object"], join(path, "object"))
	o.body = c.template(c.render, fields["object"], join(path, "object"), "", 0)
	return o
}

// objectKind reads what must be plain text, because the agent watches the kinds of a set.
func (c *compiler) objectKind(n *yaml.Node, path string) schema.GroupVersionKind {
	byName := map[string]*yaml.Node{}
	for _, f := range (&document{nodes: c.doc.nodes}).entries(n, path) {
		byName[f.name] = f.value
	}
	plain := func(name string) string {
		text := c.doc.required(byName[name], n, join(path, name))
		if strings.Contains(text, "${") {
			c.doc.problem(byName[name], join(path, name), "must be plain text")
		}
		return text
	}
	version, kind := plain("apiVersion"), plain("kind")
	gv, err := schema.ParseGroupVersion(version)
	if err != nil {
		c.doc.problem(byName["apiVersion"], join(path, "apiVersion"), "%s", err)
	}
	c.objectMetadata(n, byName["metadata"], join(path, "metadata"))
	if byName["status"] != nil {
		c.doc.problem(byName["status"], join(path, "status"), "is the cluster's: status rules stand beside object")
	}
	return gv.WithKind(kind)
}

func (c *compiler) objectMetadata(parent, n *yaml.Node, path string) {
	if n == nil || n.Kind != yaml.MappingNode {
		c.doc.problem(parent, path, "must be a map with a name")
		return
	}
	known := []string{"name", "namespace", "labels", "annotations", "finalizers"}
	named := false
	for _, f := range (&document{nodes: c.doc.nodes}).entries(n, path) {
		if !slices.Contains(known, f.name) {
			c.doc.problem(f.key, join(path, f.name), "unknown key%s", didYouMean(f.name, known, "known: "+strings.Join(known, ", ")))
		}
		named = named || f.name == "name"
		if f.value.Kind != yaml.MappingNode {
			continue
		}
		for _, entry := range (&document{nodes: c.doc.nodes}).entries(f.value, path) {
			if reserved(entry.name) {
				c.doc.problem(entry.key, join(join(path, f.name), entry.name), "%s… is the agent's own", ownPrefix)
			}
		}
	}
	if !named {
		c.doc.problem(n, join(path, "name"), "is missing")
	}
}
