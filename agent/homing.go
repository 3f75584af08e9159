package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/agent/systems"
	"github.com/hlo-agent/hlo-agent/homing"
)

// Exit codes of the homing commands beside 0.
const (
	exitNotFound = 3
	exitError    = 2
)

// exit is an error that decides the exit code; what there is to say was said.
type exit int

// Error implements error.
func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// homingCommand is for the command line args, which tell how a command line that
// is wrong is to be answered.
func homingCommand(args []string, getenv func(string) string) *cobra.Command {
	root := &cobra.Command{Use: "homing", Short: "Solve, check and explain homing templates; see docs/homing.md"}
	root.AddCommand(solveCommand(getenv), validateCommand(), explainHomingCommand(getenv))
	wrong := func(cmd *cobra.Command, err error) error {
		h := homingInput{output: outputIn(args)}
		if err := h.print(cmd.OutOrStdout(), homing.Rejected([]*homing.PathError{{Path: "arguments", Message: err.Error()}})); err != nil {
			return err
		}
		return exit(exitError)
	}
	for _, cmd := range root.Commands() {
		cmd.SetFlagErrorFunc(wrong)
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return wrong(cmd, fmt.Errorf("%q is not expected: everything is given by flags", args[0]))
			}
			return nil
		}
	}
	return root
}

// outputIn is the output that a command line asks for, whatever else is wrong with it.
func outputIn(args []string) string {
	output := "table"
	for i, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		switch {
		case ok && (name == "-o" || name == "--output"):
			output = value
		case (arg == "-o" || arg == "--output") && i+1 < len(args):
			output = args[i+1]
		case !ok && len(arg) > 2 && strings.HasPrefix(arg, "-o"):
			output = arg[2:]
		}
	}
	if output != "json" && output != "yaml" {
		return "table"
	}
	return output
}

// homingInput is what the homing commands have in common.
type homingInput struct {
	template, inventory, output string
	systems                     string
	getenv                      func(string) string
	params                      []string
	options                     homing.Options
	limit                       time.Duration
}

func (h *homingInput) flags(cmd *cobra.Command, inventory bool) {
	cmd.Flags().StringVarP(&h.template, "template", "t", "", "template in YAML or JSON; files beside it are what get_file finds")
	cmd.Flags().StringArrayVarP(&h.params, "parameter", "p", nil, "name=value, the value as YAML; replaces the template's own")
	if !inventory {
		return
	}
	cmd.Flags().StringVarP(&h.inventory, "inventory", "i", "", "inventory: the offline format, or an array of NGSI-LD entities; - is the standard input")
	cmd.Flags().IntVarP(&h.options.Solutions, "solutions", "n", 1, "how many of the best answers; -1 is all")
	cmd.Flags().BoolVar(&h.options.Disjoint, "disjoint", false, "answers that have no candidate in common")
	cmd.Flags().DurationVar(&h.limit, "time-limit", 30*time.Second, "stop then with the best answer, a bound and the gap")
	cmd.Flags().StringVar(&h.systems, "systems", "", "file that names the systems outside; entities are asked of the broker at CB_URL")
	h.getenv = tenantFlag(cmd.Flags(), h.getenv)
}

func solveCommand(getenv func(string) string) *cobra.Command {
	h := homingInput{getenv: getenv}
	cmd := &cobra.Command{
		Use: "solve -t TEMPLATE -i INVENTORY", Short: "Find the best assignment of candidates to demands, and prove it",
		Long: "Exit 0 when an answer was found, 3 when it was proved that there is none, 2 on errors. With -o json the\n" +
			"result is one object on stdout in every case.",
		Example: "  hlo-agent homing solve -t template.yaml -i inventory.json\n  hlo-agent homing solve -t template.yaml -i world.json -p customer_lat=32.9 -n 3 -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			result := h.solve(cmd.Context(), cmd.InOrStdin())
			if err := h.print(cmd.OutOrStdout(), result); err != nil {
				return err
			}
			return exitOf(result)
		},
	}
	h.flags(cmd, true)
	cmd.Flags().StringVarP(&h.output, "output", "o", "table", "table, json or yaml")
	return cmd
}

func explainHomingCommand(getenv func(string) string) *cobra.Command {
	h := homingInput{getenv: getenv}
	cmd := &cobra.Command{
		Use: "explain -t TEMPLATE -i INVENTORY", Short: "Solve, and say in words why: every term, the runner-up, what removed whom",
		RunE: func(cmd *cobra.Command, _ []string) error {
			h.options.RunnerUp = true
			result := h.solve(cmd.Context(), cmd.InOrStdin())
			fmt.Fprint(cmd.OutOrStdout(), homing.Explain(result))
			return exitOf(result)
		},
	}
	h.flags(cmd, true)
	return cmd
}

func validateCommand() *cobra.Command {
	var h homingInput
	cmd := &cobra.Command{
		Use: "validate -t TEMPLATE", Short: "Say everything that is wrong with a template",
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, errs := h.parse()
			for _, e := range errs {
				fmt.Fprintln(cmd.OutOrStdout(), e)
			}
			if len(errs) > 0 {
				return exit(exitError)
			}
			for _, w := range t.Warnings {
				fmt.Fprintln(cmd.OutOrStdout(), "warning:", w)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "valid: version %s, demands %s\n", t.Version, strings.Join(t.Demands(), ", "))
			return nil
		},
	}
	h.flags(cmd, false)
	return cmd
}

func exitOf(r homing.Result) error {
	switch r.Status {
	case homing.StatusDone:
		return nil
	case homing.StatusNotFound:
		return exit(exitNotFound)
	}
	return exit(exitError)
}

func (h *homingInput) solve(ctx context.Context, stdin io.Reader) homing.Result {
	t, errs := h.parse()
	if h.output != "" && h.output != "table" && h.output != "json" && h.output != "yaml" {
		errs = append(errs, &homing.PathError{Path: "output", Message: fmt.Sprintf("%q: accepted is one of table, json, yaml", h.output)})
		h.output = "table"
	}
	if h.inventory == "" {
		return homing.Rejected(append(errs, &homing.PathError{Path: "inventory", Message: "required, and missing: accepted is -i with a file, or - for the standard input"}))
	}
	text, err := readFile(h.inventory, stdin)
	if err != nil {
		return homing.Rejected(append(errs, &homing.PathError{Path: "inventory", Message: err.Error()}))
	}
	inventory, wrong := homing.ParseInventory(text)
	errs = append(errs, wrong...)
	if h.options.Systems, err = h.outside(ctx); err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			errs = append(errs, &homing.PathError{Path: "systems", Message: line})
		}
	}
	if len(errs) > 0 {
		return homing.Rejected(errs)
	}
	ctx, cancel := context.WithTimeout(ctx, h.limit)
	defer cancel()
	h.options.Now = time.Now
	return homing.Solve(ctx, t, inventory, h.options)
}

// outside are the systems that --systems names. The broker is needed only for
// those that are entities.
func (h *homingInput) outside(ctx context.Context) (*systems.Set, error) {
	if h.systems == "" {
		return nil, nil
	}
	cfg := systems.Config{}
	if h.getenv("CB_URL") != "" {
		settings, err := loadOne(ctx, notListening(h.getenv))
		if err != nil {
			return nil, err
		}
		client, err := newClient(&settings.Config, nil)
		if err != nil {
			return nil, err
		}
		cfg.Broker = client
	}
	return systems.Load(h.systems, cfg)
}

func (h *homingInput) parse() (*homing.Template, []*homing.PathError) {
	if h.template == "" {
		return nil, []*homing.PathError{{Path: "template", Message: "required, and missing: accepted is -t with a file"}}
	}
	text, err := os.ReadFile(h.template)
	if err != nil {
		return nil, []*homing.PathError{{Path: "template", Message: err.Error()}}
	}
	params := map[string]any{}
	for _, p := range h.params {
		name, value, ok := strings.Cut(p, "=")
		var v any
		if err := yaml.Unmarshal([]byte(value), &v); !ok || err != nil {
			return nil, []*homing.PathError{{Path: "parameters", Message: fmt.Sprintf("%q is not name=value", p)}}
		}
		params[name] = v
	}
	return homing.Parse(text, filesBeside(h.template), params)
}

// maxFile bounds a file that get_file may find.
const maxFile = 1 << 20

// filesBeside are the files in the template's folder by name. One that cannot
// be read is not there, which get_file says.
func filesBeside(template string) map[string][]byte {
	files := map[string][]byte{}
	entries, err := os.ReadDir(filepath.Dir(template))
	if err != nil {
		return files
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
			continue
		}
		if text, err := os.ReadFile(filepath.Join(filepath.Dir(template), e.Name())); err == nil {
			files[e.Name()] = text
		}
	}
	return files
}

func (h *homingInput) print(w io.Writer, r homing.Result) error {
	switch h.output {
	case "json", "yaml":
		text, err := json.Marshal(r)
		if err == nil && h.output == "yaml" {
			text, err = sigsyaml.JSONToYAML(text)
		}
		if err != nil {
			return fmt.Errorf("print the result: %w", err)
		}
		_, err = fmt.Fprintln(w, strings.TrimSuffix(string(text), "\n"))
		return err
	case "table":
		_, err := io.WriteString(w, homing.Explain(r))
		return err
	}
	return fmt.Errorf("-o %s: must be table, json or yaml", h.output)
}
