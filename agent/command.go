package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Main runs hlo-agent with the given arguments and environment, and returns
// the exit code. program is the name that it was called by: as kubectl-hlo it is
// a plugin of kubectl. A signal or the end of ctx stops it.
func Main(ctx context.Context, program string, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	root := &cobra.Command{
		Use: "hlo-agent", Short: "Make NGSI-LD ServiceComponents run on Kubernetes, and report their state back",
		Long:         "hlo-agent makes real what the entities of a context broker order: it applies the custom\nresources of the low-level orchestrators, watches them, and writes their state back.\nSettings come from the environment; see the README.",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(runCommand(getenv), renderCommand(), diffCommand(getenv), mappingCommand(), rbacCommand(getenv), homingCommand(args, getenv), subscriptionCommand(getenv), pruneCommand(getenv), versionCommand())
	root.AddCommand(operatorCommands(getenv)...)
	root.SetArgs(asPlugin(root, program, args))
	err := root.ExecuteContext(ctx)
	var code exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintln(stderr, "hlo-agent:", indent(err.Error()))
	return 1
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n  ") }

func runCommand(getenv func(string) string) *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "Run the agent", Args: cobra.NoArgs,
		Example: "  CB_URL=http://orion:1026 NOTIFICATION_URL=http://hlo-agent:8082/notify DOMAIN_ID=Mill01 hlo-agent run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(cmd.Context(), getenv)
			if err != nil {
				return fmt.Errorf("wrong settings:\n%w", err)
			}
			log := newLogger(&cfg, cmd.ErrOrStderr())
			klog.SetLogger(logr.FromSlogHandler(log.Handler())) // client-go's
			log.Info("starting", "version", Version())
			mindSilence(getenv)
			if getenv("GOGC") == "" && getenv("GOMEMLIMIT") == "" {
				giveHeapRoom()
			}
			if cfg.TenantsFile != "" {
				return Outside{}.RunTenants(cmd.Context(), cfg, getenv, log)
			}
			return Run(cmd.Context(), cfg, log)
		},
	}
}

func newLogger(cfg *Config, w io.Writer) *slog.Logger {
	level, err := cfg.logLevel()
	if err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "hlo-agent", Version(), goVersion())
			return err
		},
	}
}

func subscriptionCommand(getenv func(string) string) *cobra.Command {
	root := &cobra.Command{Use: "subscription", Short: "Look at or delete the agent's subscriptions"}
	getenv = tenantFlag(root.PersistentFlags(), getenv)
	root.AddCommand(&cobra.Command{
		Use: "list", Short: "List the agent's subscriptions as the broker has them", Args: cobra.NoArgs,
		Example: "  CB_URL=http://orion:1026 DOMAIN_ID=Mill01 hlo-agent subscription list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, client, wanted, err := connect(cmd, getenv)
			if err != nil {
				return err
			}
			return listSubscriptions(cmd.Context(), client, wanted, cmd.OutOrStdout())
		},
	}, &cobra.Command{
		Use: "delete", Short: "Delete the agent's subscriptions; a running agent makes them again", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, client, wanted, err := connect(cmd, getenv)
			if err != nil {
				return err
			}
			for _, s := range wanted {
				err := client.DeleteSubscription(cmd.Context(), s.ID)
				if err != nil && !isNotFound(err) {
					return err
				}
				state := "deleted"
				if err != nil {
					state = "was not there"
				}
				fmt.Fprintln(cmd.OutOrStdout(), s.ID, state)
			}
			return nil
		},
	})
	return root
}

// notListening is getenv for commands that need no NOTIFICATION_URL.
func notListening(getenv func(string) string) func(string) string {
	return func(name string) string {
		if value := getenv(name); value != "" || name != "NOTIFICATION_URL" {
			return value
		}
		return "http://unused.invalid/notify"
	}
}

// connect is what the commands that talk to a broker begin with. They do not
// listen, so NOTIFICATION_URL may be missing.
func connect(cmd *cobra.Command, getenv func(string) string) (commandConfig, *ngsild.Client, []ngsild.Subscription, error) {
	cfg, err := loadOne(cmd.Context(), notListening(getenv))
	if err != nil {
		return cfg, nil, nil, fmt.Errorf("wrong settings:\n%w", err)
	}
	client, err := newClient(&cfg.Config, nil)
	if err != nil {
		return cfg, nil, nil, err
	}
	log := newLogger(&cfg.Config, cmd.ErrOrStderr())
	if err := askDomains(cmd.Context(), &cfg.Config, client, log, newHealth()); err != nil {
		return cfg, nil, nil, err
	}
	if cfg.AgentID, err = cfg.agentID(); err != nil {
		return cfg, nil, nil, err
	}
	set, err := loadMappings(cfg.Mappings)
	if err != nil {
		return cfg, nil, nil, fmt.Errorf("MAPPINGS: %w", err)
	}
	return cfg, client, subscriptions(&cfg.Config, follow(set)), nil
}

// listSubscriptions prints the wanted subscriptions. Header values are masked:
// one of them is the webhook's secret.
func listSubscriptions(ctx context.Context, client *ngsild.Client, wanted []ngsild.Subscription, w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATUS\tSENT\tFAILED\tLAST SUCCESS\tENDPOINT\tHEADERS")
	for _, want := range wanted {
		s, err := client.Subscription(ctx, want.ID)
		if isNotFound(err) {
			fmt.Fprintf(table, "%s\tmissing\t\t\t\t\t\n", want.ID)
			continue
		}
		if err != nil {
			return err
		}
		var headers []string
		for _, h := range s.Notification.Endpoint.ReceiverInfo {
			headers = append(headers, h.Key+"=[redacted]")
		}
		n := s.Notification
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\t%s\n", s.ID, s.Status, n.TimesSent, n.TimesFailed, n.LastSuccess, n.Endpoint.URI, strings.Join(headers, " "))
	}
	return table.Flush()
}
