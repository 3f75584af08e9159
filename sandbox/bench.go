package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"
)

// benchParts are the measurements that bench can be narrowed to, in their order.
var benchParts = []string{"apply", "life", "restart", "reaction", "inventory", "allocate", "outages"}

type benchOptions struct {
	n      int
	rounds int
	output string
	memory int // components; 0: it is not measured
	only   []string
}

func benchCommand(log *slog.Logger) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use: "bench", Short: "Measure the speed of hlo-agent beside bare client-go", Args: cobra.NoArgs,
		Long: "Measures the agent as the program that ships, with its defaults, against an embedded broker and a real\n" +
			"API server, beside client-go alone on the same API server in the same run. See docs/performance.md for\n" +
			"what each number means. With -o json one flat object goes to stdout and everything else to stderr.",
		Example: "  hlo-sandbox bench -n 2000\n  hlo-sandbox bench -n 5000 -o json\n  hlo-sandbox bench -n 500 --only apply\n  hlo-sandbox bench -n 2000 --memory 50000",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			report, err := bench(cmd.Context(), o, log)
			if err != nil {
				return err
			}
			return report.print(o.output, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().IntVarP(&o.n, "number", "n", 2000, "components")
	cmd.Flags().IntVar(&o.rounds, "rounds", 3, "rounds of each side, after one that does not count")
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", "table or json")
	cmd.Flags().IntVar(&o.memory, "memory", 0, "measure memory too, with so many components: 50000 take long")
	cmd.Flags().StringSliceVar(&o.only, "only", benchParts, "measure only these")
	return cmd
}

func (o *benchOptions) validate() error {
	var errs []error
	if o.n < 10 || o.n > 50_000 {
		errs = append(errs, fmt.Errorf("-n %d: must be from 10 to 50000", o.n))
	}
	if o.rounds < 1 || o.rounds > 99 {
		errs = append(errs, fmt.Errorf("--rounds %d: must be from 1 to 99", o.rounds))
	}
	if o.memory != 0 && (o.memory < 10 || o.memory > 50_000) {
		errs = append(errs, fmt.Errorf("--memory %d: must be from 10 to 50000", o.memory))
	}
	if o.output != "table" && o.output != "json" {
		errs = append(errs, fmt.Errorf("-o %s: must be table or json", o.output))
	}
	for _, part := range o.only {
		if part != "" && !slices.Contains(benchParts, part) {
			errs = append(errs, fmt.Errorf("--only %s: must be one of %v", part, benchParts))
		}
	}
	return errors.Join(errs...)
}

func (o *benchOptions) wants(part string) bool { return slices.Contains(o.only, part) }

// bench measures one part after the other on the same API server. Whatever
// ends it, nothing is left running.
func bench(ctx context.Context, o benchOptions, log *slog.Logger) (report *benchReport, err error) {
	r, err := newRig(ctx, o, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(err != nil)) }()
	report = newReport(o.n, o.rounds)
	if o.wants("apply") {
		if err := measureApply(ctx, r, report); err != nil {
			return nil, fmt.Errorf("measure apply: %w", err)
		}
	}
	if o.wants("life") || o.wants("restart") || o.wants("reaction") {
		if err := measureLife(ctx, r, report); err != nil {
			return nil, err
		}
	}
	if o.wants("inventory") {
		if err := measureInventory(ctx, r, report); err != nil {
			return nil, fmt.Errorf("measure the inventory: %w", err)
		}
	}
	if o.wants("allocate") {
		if err := measureAllocate(ctx, r, report); err != nil {
			return nil, fmt.Errorf("measure allocations: %w", err)
		}
	}
	if o.wants("outages") {
		if err := measureOutages(ctx, r, report); err != nil {
			return nil, fmt.Errorf("allocate through outages: %w", err)
		}
	}
	if o.memory > 0 {
		if err := measureMemory(ctx, r, o.memory, report); err != nil {
			return nil, fmt.Errorf("measure memory: %w", err)
		}
	}
	return report, nil
}

// measureLife brings n components to Running, which is a measurement, and has
// those that start from there follow.
func measureLife(ctx context.Context, r *rig, report *benchReport) error {
	bare, err := measureBroker(ctx, r, report)
	if err != nil {
		return fmt.Errorf("measure the life of components: %w", err)
	}
	if r.options.wants("restart") {
		if err := measureRestart(ctx, r, report); err != nil {
			return fmt.Errorf("measure a restart: %w", err)
		}
	}
	if r.options.wants("reaction") {
		if err := measureReaction(ctx, r, bare, report); err != nil {
			return fmt.Errorf("measure reactions: %w", err)
		}
	}
	return r.clean(ctx)
}

// print writes the report: to stdout what was asked for, and with json the
// absolute numbers to stderr too.
func (b *benchReport) print(output string, stdout, stderr io.Writer) error {
	if output == "json" {
		if err := b.table(stderr); err != nil {
			return err
		}
		return b.json(stdout)
	}
	return b.table(stdout)
}
