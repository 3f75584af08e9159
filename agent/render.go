package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

func renderCommand() *cobra.Command {
	var o renderOptions
	var only string
	var names []string
	cmd := &cobra.Command{
		Use: "render -f FILE [-f FILE]... [--id ENTITY] [--mapping PATH]... [--explain]", Args: cobra.NoArgs,
		Short: "Print what would be applied for the placed ServiceComponents of some NGSI-LD entities",
		Long: "Reads NGSI-LD entities in any form from files (- is the standard input) and prints the objects\n" +
			"that would be applied, registry credentials included, as YAML documents sorted by entity id.\n" +
			"Nothing is sent anywhere. Exit 1 when a component cannot be rendered; the others are printed.",
		Example: "  hlo-agent render -f world.json\n  curl -s $CB/ngsi-ld/v1/entities?local=true | hlo-agent render -f - --id urn:ngsi-ld:Service:s:Component:c",
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := loadMappings(names)
			if err != nil {
				return err
			}
			o.mappings, o.only = set, ngsild.EntityID(only)
			return o.render(cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringArrayVarP(&o.files, "file", "f", nil, "file with one entity or an array of them; - is the standard input")
	cmd.Flags().StringVar(&only, "id", "", "only this component")
	cmd.Flags().StringVar(&o.namespace, "namespace", "default", "namespace of the objects")
	cmd.Flags().StringSliceVar(&names, "mapping", nil, "file or folder with mappings, or the name of a shipped one, instead of those for the aerOS kinds")
	cmd.Flags().BoolVar(&o.explain, "explain", false, "say which mapping was chosen and why, and what each expression gave")
	_ = cmd.MarkFlagRequired("file") // the flag exists
	return cmd
}

type renderOptions struct {
	files     []string
	only      ngsild.EntityID
	namespace string
	mappings  *mapping.Set
	explain   bool
}

// render prints the objects of the components in files; see renderCommand.
func (o *renderOptions) render(stdin io.Reader, stdout, stderr io.Writer) error {
	entities := map[ngsild.EntityID]ngsild.Entity{}
	failed := 0
	for _, file := range o.files {
		text, err := readFile(file, stdin)
		if err != nil {
			return err
		}
		found, errs := ngsild.DecodeEntities(text)
		for _, err := range errs {
			fmt.Fprintf(stderr, "%s: %v\n", file, err)
			failed++
		}
		for _, e := range found {
			entities[e.ID] = e
		}
	}
	ids := make([]ngsild.EntityID, 0, len(entities))
	for id, e := range entities {
		if e.Type == typeComponent && (o.only == "" || id == o.only) {
			ids = append(ids, id)
		}
	}
	if o.only != "" && len(ids) == 0 {
		return fmt.Errorf("no ServiceComponent %s in what was read", o.only)
	}
	slices.Sort(ids)
	for _, id := range ids {
		ok, err := o.renderOne(entities, id, stdout, stderr)
		if err != nil {
			return err
		}
		if !ok {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d could not be rendered", failed)
	}
	return nil
}

// renderOne prints one component's objects and says whether that went well. An
// error means that nothing can be printed any more.
func (o *renderOptions) renderOne(entities map[ngsild.EntityID]ngsild.Entity, id ngsild.EntityID, stdout, stderr io.Writer) (bool, error) {
	c := entities[id]
	if why := notApplied(&c); why != "" {
		fmt.Fprintf(stderr, "%s: note: %s\n", id, why)
		return true, nil
	}
	in := mapping.Gather(c, func(id ngsild.EntityID) *ngsild.Entity {
		if e, ok := entities[id]; ok {
			return &e
		}
		return nil
	})
	out, why, err := o.mappings.Explain(in, o.namespace)
	if o.explain {
		explain(why, stdout)
	}
	for _, w := range out.Warnings {
		fmt.Fprintf(stderr, "%s: warning: %s\n", id, w)
	}
	if err != nil {
		var e *mapping.Error
		if errors.As(err, &e) {
			fmt.Fprintf(stderr, "%s: %s: %s\n", id, e.Reason, e.Message)
		} else {
			fmt.Fprintf(stderr, "%s: %v\n", id, err)
		}
		return false, nil
	}
	return true, printObjects(&c, out, stdout)
}

func printObjects(c *ngsild.Entity, out mapping.Rendered, w io.Writer) error {
	p := pass{view: view{id: c.ID, record: record{entity: *c}}, objects: out}
	for _, o := range out.Objects {
		mark(o, &p, move{})
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("print %s: %w", o.GetName(), err)
		}
		if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

// notApplied says why nothing is applied for a component, "" if something is.
func notApplied(c *ngsild.Entity) string {
	switch {
	case orderOf(c.Enum(attrStatus)) == removing:
		return "ordered away (Removing), so nothing is applied"
	case equalFold(c.Enum(attrStatus), statusFinished):
		return "Finished, so nothing is applied"
	case firstLink(c, attrElement) == "":
		return "has no infrastructureElement yet, so nothing is applied"
	}
	return ""
}

func readFile(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}
