package homing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// largestDocument limits the values of a document after aliases are followed.
const largestDocument = 1_000_000

// decoder turns YAML (or JSON, its subset) into plain values, and finds what the
// library lets pass: keys that occur twice, more than one document.
type decoder struct {
	found *findings
	size  int
}

// readDocument returns the mapping that data holds, nil if it holds none.
func readDocument(data []byte, found *findings) map[string]any {
	var node yaml.Node
	stream := yaml.NewDecoder(bytes.NewReader(data))
	if err := stream.Decode(&node); err != nil {
		if errors.Is(err, io.EOF) {
			found.add("", "the template is empty: accepted is a mapping with homing_template_version and demands")
		} else {
			found.add("", "not YAML or JSON: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		}
		return nil
	}
	var more yaml.Node
	if stream.Decode(&more) == nil {
		found.add("", "more than one document: accepted is one")
	}
	d := decoder{found: found}
	value := d.value(&node, "", 0)
	mapping, ok := value.(map[string]any)
	if !ok {
		found.add("", "the template is %s: accepted is a mapping", kindOf(value))
	}
	return mapping
}

func (d *decoder) value(n *yaml.Node, path string, depth int) any {
	if d.size++; d.size > largestDocument || depth > 100 {
		if d.size == largestDocument+1 || depth == 101 {
			d.found.add(path, "too large or too deep: accepted are %d values and 100 levels", largestDocument)
		}
		return unresolved{}
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return d.value(n.Content[0], path, depth)
	case yaml.AliasNode:
		return d.value(n.Alias, path, depth+1)
	case yaml.MappingNode:
		return d.mapping(n, path, depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for i, item := range n.Content {
			list = append(list, d.value(item, fmt.Sprintf("%s[%d]", path, i), depth+1))
		}
		return list
	default:
		return d.scalar(n, path)
	}
}

func (d *decoder) mapping(n *yaml.Node, path string, depth int) any {
	m := make(map[string]any, len(n.Content)/2)
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		if n.Content[i].Kind != yaml.ScalarNode {
			d.found.add(path, "line %d: a key is not text", n.Content[i].Line)
			continue
		}
		if first, twice := lines[key]; twice {
			d.found.add(join(path, key), "the key %q occurs twice, in line %d and in line %d: accepted is each key once",
				key, first, n.Content[i].Line)
			continue
		}
		lines[key] = n.Content[i].Line
		m[key] = d.value(n.Content[i+1], join(path, key), depth+1)
	}
	return m
}

func (d *decoder) scalar(n *yaml.Node, path string) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int":
		var i int64
		if n.Decode(&i) == nil {
			return i
		}
		fallthrough
	case "!!float":
		var f float64
		if n.Decode(&f) == nil {
			if _, finite := number(f); finite {
				return f
			}
		}
		d.found.add(path, "%s is no finite number", strconv.Quote(n.Value))
		return unresolved{}
	default:
		return n.Value // dates stay as they are written
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
