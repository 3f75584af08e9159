package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// TestCase is a folder that shows what a mapping does: entity.jsonld holds the entities, the first
// ServiceComponent among them is rendered; mapping.yaml, if there, is the only mapping, or mappings.txt names the
// shipped ones that are loaded; want.yaml holds the objects, with the warnings as comments before them, or
// want-error.txt the error.
type TestCase struct {
	// File is where Got belongs; Want is what it holds, empty if it is not there.
	File      string
	Got, Want string
}

// RunTestCase renders the case in dir, in the namespace "default", with set unless the case brings its
// own mapping or names some. An error means that the case itself cannot be read; whether it passes is to be seen by
// comparing Got and Want.
func RunTestCase(dir string, set *Set) (TestCase, error) {
	set, err := caseSet(dir, set)
	if err != nil {
		return TestCase{}, err
	}
	in, err := caseInput(filepath.Join(dir, "entity.jsonld"))
	if err != nil {
		return TestCase{}, err
	}
	var c TestCase
	rendered, err := set.Render(in, "default")
	if err != nil {
		c.File, c.Got = filepath.Join(dir, "want-error.txt"), describe(err)
	} else if c.Got, err = describeObjects(rendered); err != nil {
		return TestCase{}, err
	} else {
		c.File = filepath.Join(dir, "want.yaml")
	}
	want, err := os.ReadFile(c.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return TestCase{}, fmt.Errorf("read what the case wants: %w", err)
	}
	c.Want = string(want)
	return c, nil
}

func caseSet(dir string, set *Set) (*Set, error) {
	own, named := filepath.Join(dir, "mapping.yaml"), filepath.Join(dir, "mappings.txt")
	data, err := os.ReadFile(own)
	if err == nil {
		return Load(Source{Name: own, Data: data})
	}
	if errors.Is(err, fs.ErrNotExist) {
		if data, err = os.ReadFile(named); errors.Is(err, fs.ErrNotExist) {
			return set, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the mapping of a case: %w", err)
	}
	names := strings.Fields(string(data))
	if len(names) == 0 {
		return nil, fmt.Errorf("%s names no shipped mapping", named)
	}
	sources, err := Shipped(names...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", named, err)
	}
	return Load(sources...)
}

func caseInput(path string) (Input, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Input{}, fmt.Errorf("read the entities of a case: %w", err)
	}
	entities, problems := ngsild.DecodeEntities(data)
	if len(problems) > 0 {
		return Input{}, fmt.Errorf("read the entities of %s: %w", path, errors.Join(problems...))
	}
	byID := map[ngsild.EntityID]*ngsild.Entity{}
	var component *ngsild.Entity
	for i := range entities {
		e := &entities[i]
		byID[e.ID] = e
		if component == nil && e.Type == "ServiceComponent" {
			component = e
		}
	}
	if component == nil {
		return Input{}, fmt.Errorf("%s holds no ServiceComponent", path)
	}
	return Gather(*component, func(id ngsild.EntityID) *ngsild.Entity { return byID[id] }), nil
}

func describe(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return err.Error() + "\n"
	}
	return fmt.Sprintf("%v: %s\nentity: %s\nfield: %s\n%s\n", e.Err, e.Reason, e.Entity, e.Field, e.Message)
}

func describeObjects(r Rendered) (string, error) {
	var b strings.Builder
	for _, warning := range r.Warnings {
		b.WriteString("# warning: " + warning + "\n")
	}
	for i, o := range r.Objects {
		if i > 0 {
			b.WriteString("---\n")
		}
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return "", fmt.Errorf("write %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		b.Write(text)
	}
	return b.String(), nil
}
