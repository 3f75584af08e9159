package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hlo-agent/hlo-agent/sandbox/world"
)

type soakOptions struct {
	time   time.Duration
	n      int // components that stand while others come and go
	noise  int // notifications a second
	hot    int // changes of one entity a second
	inHand int // components that are changed at the same time
}

func soakCommand(log *slog.Logger) *cobra.Command {
	var o soakOptions
	cmd := &cobra.Command{
		Use: "soak", Short: "Put hlo-agent under load and see that it stays as it is", Args: cobra.NoArgs,
		Long: "Runs the agent as the program that ships against an embedded broker, a real API server and simulated\n" +
			"orchestrators. Components come, change and go at the highest rate that they take, each with a name of its own,\n" +
			"while others stand; then notifications come that mean nothing, and one entity changes all the time. Fails if\n" +
			"memory, goroutines or open files grow, or if in the end the cluster does not hold what is ordered.\n" +
			"See docs/performance.md for what each number means. The last line is the figure.",
		Example: "  hlo-sandbox soak --time 10m\n  hlo-sandbox soak --time 1m -n 300\n  hlo-sandbox soak --time 10m -n 100000",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.time < 30*time.Second || o.n < 10 || o.noise < 1 || o.hot < 1 || o.inHand < 1 {
				return errors.New("--time must be 30s at least, -n 10 at least, and the rates 1 at least")
			}
			return soak(cmd.Context(), o, log, cmd.OutOrStdout())
		},
	}
	cmd.Flags().DurationVar(&o.time, "time", 10*time.Minute, "how long components come and go")
	cmd.Flags().IntVarP(&o.n, "number", "n", 2000, "components that stand meanwhile")
	cmd.Flags().IntVar(&o.noise, "noise", 5000, "notifications a second that mean nothing")
	cmd.Flags().IntVar(&o.hot, "hot", 1000, "changes a second of one entity")
	cmd.Flags().IntVar(&o.inHand, "in-hand", 32, "components that come and go at the same time")
	return cmd
}

// soakSecret is in every notification, the broker's and those made here; soakAgent is
// the AGENT_ID, which subscriptions are named by.
const (
	soakSecret = "soak-notifications-secret"
	soakAgent  = "soak"
)

// soak loads one agent with one thing after the other. Whatever ends it, nothing is
// left running.
func soak(ctx context.Context, o soakOptions, log *slog.Logger, out io.Writer) (err error) {
	r, err := newRig(ctx, benchOptions{n: max(o.n, 1000)}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close(err != nil)) }()
	r.settings["NOTIFICATION_SECRET"], r.settings["AGENT_ID"], r.settings["RESYNC_INTERVAL"] = soakSecret, soakAgent, soakResync.String()
	s := &soaking{rig: r, o: o, report: newReport(o.n, 1)}
	orchestrating, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- runOrchestrators(orchestrating, r.server.REST(), log) }()
	defer func() { stop(); err = errors.Join(err, <-ended) }()
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{{"components that stand", s.stand}, {"churn", s.churn}, {"noise", s.noise}, {"a busy entity", s.busy}, {"the end", s.check}} {
		log.Info("soak", "part", part.name)
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if err := s.report.table(out); err != nil {
		return err
	}
	fmt.Fprintf(out, "soak: %d components while %d stood, %.0f changes a second for %v, memory %+.1f %%, goroutines %+.1f, open files %+.1f over the second half\n",
		s.lives, o.n, s.rate, o.time, s.growth["memory"], s.growth["goroutines"], s.growth["files"])
	return errors.Join(s.wrong...)
}

// soaking is one soak.
type soaking struct {
	*rig
	o      soakOptions
	report *benchReport
	load   world.Load
	lives  int
	images int // that were ordered, each another one
	rate   float64
	growth map[string]float64
	wrong  []error
}

// stand brings the components up that stand, and says what they cost.
func (s *soaking) stand(ctx context.Context) error {
	s.load = world.Generate(s.o.n, world.LoadOptions{})
	if err := s.startAgent(ctx); err != nil {
		return err
	}
	empty, err := s.resident(ctx)
	if err != nil {
		return err
	}
	if err := s.create(ctx, s.load.Base); err != nil {
		return err
	}
	began := time.Now()
	if err := s.create(ctx, s.load.Components); err != nil {
		return err
	}
	err = poll(ctx, s.patience(), func() error {
		have, err := s.count(ctx)
		if err == nil && have < int64(s.o.n) {
			err = fmt.Errorf("%d objects for %d components", have, s.o.n)
		}
		return err
	})
	if err != nil {
		return err
	}
	made := time.Since(began)
	if err := s.quiet(ctx, 3*time.Second); err != nil {
		return err
	}
	full, err := s.resident(ctx)
	if err != nil {
		return err
	}
	s.report.add("tracked_bytes_per_component", float64(full-empty)/float64(s.o.n), "", fmt.Sprintf("%d MiB with %d components, %d MiB without; made at %.0f a second", full>>20, s.o.n, empty>>20, float64(s.o.n)/made.Seconds()))
	if err := s.stopAgent(); err != nil {
		return err
	}
	began = time.Now()
	if err := s.startAgent(ctx); err != nil {
		return err
	}
	s.report.add("tracked_start_seconds", (time.Since(began) - 500*time.Millisecond).Seconds(), "", "from the start of the program until it is at rest")
	return nil
}

// count is how many objects the agent has made.
func (s *soaking) count(ctx context.Context) (int64, error) {
	n := int64(0)
	for _, resource := range s.resources {
		list, err := s.cluster.Resource(resource).Namespace(agentNamespace).List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil {
			return 0, fmt.Errorf("count what the agent made: %w", err)
		}
		n += int64(len(list.Items))
		if more := list.GetRemainingItemCount(); more != nil {
			n += *more
		}
	}
	return n, nil
}
