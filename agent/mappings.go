package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/hlo-agent/hlo-agent/mapping"
)

// loadMappings compiles the mappings that names stand for.
func loadMappings(names []string) (*mapping.Set, error) {
	sources, err := mappingSources(names)
	if err != nil {
		return nil, err
	}
	return mapping.Load(sources...)
}

// mappingSources reads the mappings that names stand for: a path of a file or
// folder (anything with a slash or a dot in it), or the name of a shipped one.
// None is the shipped ones for the aerOS kinds.
func mappingSources(names []string) ([]mapping.Source, error) {
	if len(names) == 0 {
		return mapping.Shipped(aerosMappings()...)
	}
	var shipped, paths []string
	for _, name := range names {
		if strings.ContainsAny(name, "/.") {
			paths = append(paths, name)
		} else {
			shipped = append(shipped, name)
		}
	}
	var sources []mapping.Source
	if len(shipped) > 0 {
		found, err := mapping.Shipped(shipped...)
		if err != nil {
			return nil, err
		}
		sources = found
	}
	own, err := mapping.ReadPaths(paths...)
	if err != nil {
		return nil, err
	}
	return append(sources, own...), nil
}

func aerosMappings() []string { return []string{"aeros-k8s", "aeros-docker", "aeros-containerd"} }

func mappingCommand() *cobra.Command {
	root := &cobra.Command{Use: "mapping", Short: "Check, list and test mapping files"}
	root.AddCommand(&cobra.Command{
		Use: "lint PATH...", Short: "Print everything that is wrong with mapping files, as FILE:LINE:COL: path: message", Args: cobra.MinimumNArgs(1),
		Example: "  hlo-agent mapping lint mappings/",
		RunE: func(cmd *cobra.Command, args []string) error {
			sources, err := mapping.ReadPaths(args...)
			if err != nil {
				return err
			}
			problems := mapping.Lint(sources...)
			for _, p := range problems {
				fmt.Fprintln(cmd.OutOrStdout(), p)
			}
			if len(problems) > 0 {
				return fmt.Errorf("%d problems in %d files", len(problems), len(sources))
			}
			return nil
		},
	}, &cobra.Command{
		Use: "list [NAME|PATH]...", Short: "List mappings, one line each; without arguments all that ship",
		Example: "  hlo-agent mapping list\n  hlo-agent mapping list aeros-k8s ./mappings",
		RunE: func(cmd *cobra.Command, args []string) error {
			return listMappings(args, cmd.OutOrStdout())
		},
	}, &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of mapping files, for editors", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(mapping.Schema())
			return err
		},
	}, mappingTestCommand())
	return root
}

func listMappings(names []string, w io.Writer) error {
	var sources []mapping.Source
	var err error
	if len(names) == 0 {
		sources, err = mapping.Shipped()
	} else {
		sources, err = mappingSources(names)
	}
	if err != nil {
		return err
	}
	set, err := mapping.Load(sources...)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tPRIORITY\tKINDS\tFILE\tDESCRIPTION")
	for _, m := range set.Mappings() {
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\n", m.Name, m.Priority, strings.Join(m.Kinds, ","), m.File, m.Description)
	}
	return table.Flush()
}

func mappingTestCommand() *cobra.Command {
	var names []string
	var update bool
	cmd := &cobra.Command{
		Use: "test DIR", Short: "Run the golden cases in a folder", Args: cobra.ExactArgs(1),
		Long: "Every folder below DIR that holds an entity.jsonld is a case: the first ServiceComponent in it is rendered\n" +
			"with the case's mapping.yaml, with the shipped mappings that its mappings.txt names or, without either, with those\n" +
			"of --mapping, and compared with want.yaml or want-error.txt. --update writes what came out; read the difference before you keep it.",
		Example: "  hlo-agent mapping test --mapping ./mappings ./cases",
		RunE: func(cmd *cobra.Command, args []string) error {
			return testMappings(args[0], names, update, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringSliceVar(&names, "mapping", nil, "file, folder or shipped name")
	cmd.Flags().BoolVar(&update, "update", false, "write what came out as what is wanted")
	return cmd
}

func testMappings(dir string, names []string, update bool, w io.Writer) error {
	set, err := loadMappings(names)
	if err != nil {
		return err
	}
	cases, err := filepath.Glob(filepath.Join(dir, "*", "entity.jsonld"))
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "entity.jsonld")); err == nil {
		cases = append(cases, filepath.Join(dir, "entity.jsonld"))
	}
	if len(cases) == 0 {
		return fmt.Errorf("no case in %s: a case is a folder with an entity.jsonld", dir)
	}
	slices.Sort(cases)
	failed := 0
	for _, file := range cases {
		folder := filepath.Dir(file)
		result, err := mapping.RunTestCase(folder, set)
		switch {
		case err != nil:
			fmt.Fprintf(w, "FAIL %s: %v\n", folder, err)
			failed++
		case result.Got == result.Want:
			fmt.Fprintf(w, "ok   %s\n", folder)
		case update:
			if err := writeWanted(folder, result); err != nil {
				return err
			}
			fmt.Fprintf(w, "new  %s\n", result.File)
		default:
			fmt.Fprintf(w, "FAIL %s (-want +got):\n%s", result.File, cmp.Diff(result.Want, result.Got))
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d cases failed", failed, len(cases))
	}
	return nil
}

// writeWanted replaces what a case wants; of the two files only one stays.
func writeWanted(folder string, result mapping.TestCase) error {
	for _, name := range []string{"want.yaml", "want-error.txt"} {
		if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.WriteFile(result.File, []byte(result.Got), 0o644)
}

// explain prints which mapping was chosen and why the others were not, and
// every expression with its value, as YAML comments.
func explain(x mapping.Explanation, w io.Writer) {
	var b bytes.Buffer
	for _, m := range x.Mappings {
		chosen := " "
		if m.Chosen {
			chosen = "*"
		}
		fmt.Fprintf(&b, "# %s %s (priority %d, %s): %s\n", chosen, m.Name, m.Priority, m.File, m.Why)
	}
	for _, e := range x.Expressions {
		value := e.Value
		switch {
		case e.Problem != "":
			value = "error: " + e.Problem
		case value == "":
			value = "(absent)"
		}
		fmt.Fprintf(&b, "# %s:%d:%d %s\n#   %s\n#   = %s\n", e.File, e.Line, e.Column, e.Path, strings.ReplaceAll(e.Expression, "\n", "\n#   "), value)
	}
	_, _ = w.Write(b.Bytes()) // the caller's own output decides
}
