package mapping

import "go.yaml.in/yaml/v3"

const (
	// FormatVersion is the apiVersion of mapping and policy files.
	FormatVersion = "hlo-agent.github.io/v1alpha1"
	formatKind    = "Mapping"
	policyKind    = "Policy"
)

// header checks what every document begins with, and gives its parts by name; nil if the rest is of no use.
func (d *document) header(root *yaml.Node, kind string) map[string]*yaml.Node {
	if root.Kind != yaml.MappingNode {
		d.problem(root, "", "want a map, got %s", nodeName(root))
		return nil
	}
	top := d.fields(root, "", "apiVersion", "kind", "metadata", "spec")
	if version := d.required(top["apiVersion"], root, "apiVersion"); version != FormatVersion && version != "" {
		d.problem(top["apiVersion"], "apiVersion", "is %q: write %q", version, FormatVersion)
	}
	switch got := d.required(top["kind"], root, "kind"); {
	case got == policyKind && kind == formatKind:
		d.problem(top["kind"], "kind", "is %q: a policy stands in a file of its own and is loaded apart from mappings", got)
		return nil
	case got != kind && got != "":
		d.problem(top["kind"], "kind", "is %q: write %q", got, kind)
	}
	return top
}

// metadata are the name and the description of a document.
func (d *document) metadata(root, n *yaml.Node) (name, description string) {
	if n == nil {
		d.problem(root, "metadata", "is missing")
		return "", ""
	}
	fields := d.fields(n, "metadata", "name", "description")
	name = d.required(fields["name"], n, "metadata.name")
	description = oneLine(d.text(fields["description"], "metadata.description"))
	if problem := nameProblem(name, maxLabelLength); fields["name"] != nil && problem != "" && name != "" {
		d.problem(fields["name"], "metadata.name", "%s", problem)
	}
	return name, description
}

// nameNode is where the name of a document stands; nil if it is not there.
func (d *document) nameNode(metadata *yaml.Node) *yaml.Node {
	if metadata == nil || metadata.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(metadata.Content); i += 2 {
		if metadata.Content[i].Value == "name" {
			return metadata.Content[i+1]
		}
	}
	return nil
}
