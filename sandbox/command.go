package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/hlo-agent/hlo-agent/sandbox/broker"
	"github.com/hlo-agent/hlo-agent/sandbox/kube"
	"github.com/hlo-agent/hlo-agent/sandbox/node"
	"github.com/hlo-agent/hlo-agent/sandbox/orchestrator"
)

// Main runs hlo-sandbox with the given arguments and returns the exit code.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := slog.New(slog.NewTextHandler(stderr, nil))
	klog.SetLogger(logr.FromSlogHandler(log.Handler())) // client-go's
	root := &cobra.Command{
		Use: "hlo-sandbox", Short: "A context broker, an API server and orchestrators on one machine, to try hlo-agent on",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(upCommand(log), assetsCommand(log), brokerCommand(log), kubeCommand(log), orchestratorCommand(log), nodeCommand(log), benchCommand(log), soakCommand(log))
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "hlo-sandbox:", err)
		return 1
	}
	return 0
}

func brokerCommand(log *slog.Logger) *cobra.Command {
	var listen string
	options := broker.Options{Log: log}
	cmd := &cobra.Command{
		Use: "broker", Short: "Run the embedded NGSI-LD broker until stopped", Args: cobra.NoArgs,
		Example: "  hlo-sandbox broker --listen 127.0.0.1:1026",
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "broker on http://%s\n", l.Addr())
			b := broker.New(options)
			defer b.Close()
			return b.Serve(cmd.Context(), l)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:1026", "address to listen on")
	cmd.Flags().BoolVar(&options.ArrayReduction, "array-reduction", false, "store a list of one as its item, as Orion-LD does without -noArrayReduction")
	cmd.Flags().StringSliceVar(&options.Peers, "peer", nil, "another broker that holds what this one does not, http://host:port")
	cmd.Flags().BoolVar(&options.Distributed, "distributed", false, "answer as a broker with -brokerId and -forwarding")
	cmd.Flags().BoolVar(&options.MultiTenant, "multiservice", false, "accept tenants")
	cmd.Flags().StringVar(&options.StateFile, "state", "", "file that keeps entities and subscriptions over restarts")
	return cmd
}

func assetsCommand(log *slog.Logger) *cobra.Command {
	return &cobra.Command{
		Use: "assets", Short: "Build kube-apiserver, etcd and kubectl if they are missing, and print their folder", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			assets, err := kube.FindAssets(cmd.Context(), "", log)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), filepath.Dir(assets.APIServer))
			return nil
		},
	}
}

func kubeCommand(log *slog.Logger) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "kube --kubeconfig OUT", Short: "Run a real API server with the custom resources until stopped", Args: cobra.NoArgs,
		Long:    "Runs kube-apiserver and etcd on loopback. OUT is written when the API server is ready, and removed at the end.",
		Example: "  hlo-sandbox kube --kubeconfig /tmp/sandbox.kubeconfig",
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := kube.Start(cmd.Context(), kube.Options{Log: log})
			if err != nil {
				return err
			}
			if err := writeKubeconfig(server, out); err != nil {
				return errors.Join(err, server.Stop())
			}
			fmt.Fprintf(cmd.OutOrStdout(), "API server ready: %s --kubeconfig %s get servicecomponentk8s\n", server.KubectlPath(), out)
			err = server.Wait(cmd.Context())
			return errors.Join(err, os.Remove(out), server.Stop())
		},
	}
	cmd.Flags().StringVar(&out, "kubeconfig", "", "file to write the kubeconfig to")
	_ = cmd.MarkFlagRequired("kubeconfig") // the flag exists
	return cmd
}

func writeKubeconfig(server *kube.Server, path string) error {
	text, err := server.Kubeconfig()
	if err != nil {
		return err
	}
	part := path + ".part" // whoever waits for the file must not read half of it
	if err := os.WriteFile(part, text, 0o600); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return os.Rename(part, path)
}

func orchestratorCommand(log *slog.Logger) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "llo --kubeconfig FILE", Short: "Run simulated low-level orchestrators until stopped", Args: cobra.NoArgs,
		Long:    "They watch the custom resources and move their status as real ones would.",
		Example: "  hlo-sandbox llo --kubeconfig /tmp/sandbox.kubeconfig",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", file)
			if err != nil {
				return fmt.Errorf("read kubeconfig: %w", err)
			}
			return runOrchestrators(cmd.Context(), config, log)
		},
	}
	cmd.Flags().StringVar(&file, "kubeconfig", "", "kubeconfig of the cluster")
	_ = cmd.MarkFlagRequired("kubeconfig") // the flag exists
	return cmd
}

func nodeCommand(log *slog.Logger) *cobra.Command {
	var file string
	cfg := node.Config{Log: log}
	cmd := &cobra.Command{
		Use: "node --kubeconfig FILE [DEPLOYMENT]", Short: "Run the agent of a Deployment as a process, since no kubelet is here", Args: cobra.MaximumNArgs(1),
		Long: "Runs hlo-agent as a Deployment wants it until stopped: with its environment, its volumes as folders, and a token\n" +
			"of its ServiceAccount, so with its rights and no others. Changes of the Deployment and of what it mounts are\n" +
			"followed. The image counts for nothing: the program beside this one is run. One process stands for all copies.",
		Example: "  hlo-sandbox node --kubeconfig /tmp/sandbox.kubeconfig --namespace hlo-agent hlo-agent",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if cfg.REST, err = clientcmd.BuildConfigFromFlags("", file); err != nil {
				return fmt.Errorf("read kubeconfig: %w", err)
			}
			if cfg.Program, err = agentBinary(); err != nil {
				return err
			}
			cfg.Output, cfg.Name = cmd.OutOrStdout(), "hlo-agent"
			if len(args) > 0 {
				cfg.Name = args[0]
			}
			return node.Run(cmd.Context(), cfg)
		},
	}
	cmd.Flags().StringVar(&file, "kubeconfig", "", "kubeconfig of the cluster")
	cmd.Flags().StringVarP(&cfg.Namespace, "namespace", "n", "hlo-agent", "namespace of the Deployment")
	cmd.Flags().StringVar(&cfg.Listen, "listen", "127.0.0.1:8082", "address in place of the pod's public port")
	cmd.Flags().StringVar(&cfg.Ops, "ops", "127.0.0.1:9102", "address in place of the pod's port for metrics and probes")
	_ = cmd.MarkFlagRequired("kubeconfig") // the flag exists
	return cmd
}

func runOrchestrators(ctx context.Context, config *rest.Config, log *slog.Logger) error {
	config = rest.CopyConfig(config)
	config.QPS = -1
	o, err := orchestrator.New(orchestrator.Config{REST: config, Log: log})
	if err != nil {
		return err
	}
	return o.Run(ctx)
}
