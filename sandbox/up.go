package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hlo-agent/hlo-agent/sandbox/broker"
	"github.com/hlo-agent/hlo-agent/sandbox/kube"
	"github.com/hlo-agent/hlo-agent/sandbox/world"
)

// convergeTime is how long the example world may take, from the moment that
// the API server is up.
const convergeTime = 120 * time.Second

func upCommand(log *slog.Logger) *cobra.Command {
	var once bool
	var domains int
	cmd := &cobra.Command{
		Use: "up", Short: "Run everything with an example world until Ctrl-C", Args: cobra.NoArgs,
		Long: "Starts the embedded broker, an API server, simulated orchestrators and hlo-agent on loopback, puts an\n" +
			"example world into the broker, and shows how it converges. With --once it ends when every component\n" +
			"has reached its expected end: exit 0, or 1 with the reason after " + convergeTime.String() + ".\n" +
			"With --domains 2 it starts two whole domains instead, and takes a component from one into the other, back\n" +
			"on Overload, and away; with --once it ends then.",
		Example: "  hlo-sandbox up\n  hlo-sandbox up --once\n  hlo-sandbox up --domains 2",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch domains {
			case 1:
			case 2:
				return twoDomains(cmd.Context(), once, log, cmd.OutOrStdout())
			default:
				return fmt.Errorf("--domains %d: only 1 and 2 are possible", domains)
			}
			return up(cmd.Context(), once, log, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().IntVar(&domains, "domains", 1, "1, or 2 that run components for each other")
	cmd.Flags().BoolVar(&once, "once", false, "end when everything has converged")
	return cmd
}

// up runs the sandbox. Whatever ends it, nothing is left running.
func up(ctx context.Context, once bool, log *slog.Logger, stdout, stderr io.Writer) (err error) {
	binary, err := agentBinary()
	if err != nil {
		return err
	}
	server, err := kube.Start(ctx, kube.Options{Log: log})
	if err != nil {
		return err
	}
	began := time.Now()
	defer func() { err = errors.Join(err, server.Stop()) }()
	folder, err := os.MkdirTemp("", "hlo-sandbox-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	kubeconfig := filepath.Join(folder, "kubeconfig")
	if err := writeKubeconfig(server, kubeconfig); err != nil {
		return err
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group errgroup.Group
	defer func() { cancel(); err = errors.Join(err, group.Wait()) }()
	b := broker.New(broker.Options{Log: log})
	defer b.Close()
	group.Go(func() error { return b.Serve(running, l) })
	group.Go(func() error { return runOrchestrators(running, server.REST(), log) })

	agentLog, err := os.Create(filepath.Join(folder, "agent.log"))
	if err != nil {
		return err
	}
	defer agentLog.Close()
	brokerURL := "http://" + l.Addr().String()
	a, err := startAgent(binary, map[string]string{"CB_URL": brokerURL, "KUBECONFIG": kubeconfig, "DOMAIN_ID": "*", "HOMING": "auto", "PLAN_TOKEN": planToken}, agentLog)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.stop()) }()
	if err := a.waitReady(ctx); err != nil {
		return errors.Join(err, tail(agentLog.Name()))
	}
	if err := createEntities(ctx, brokerURL, world.Entities()); err != nil {
		return err
	}
	board, err := newBoard(brokerURL, server, stdout)
	if err != nil {
		return err
	}
	return watchBoard(ctx, board, began, once, a, func() {
		howToPoke(stdout, binary, brokerURL, kubeconfig, agentLog.Name(), a, server)
	})
}

// watchBoard shows the board until ctx ends or, with once, until every
// component is where it is expected or the time is over. It says how to poke
// the world when that has converged, or did not within half a minute.
func watchBoard(ctx context.Context, board *board, began time.Time, once bool, a *agentProcess, poke func()) error {
	poked := once
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		missing, err := board.refresh(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if once && err == nil && missing == "" {
			fmt.Fprintf(board.out, "\nconverged %.1f s after the API server was up\n", time.Since(began).Seconds())
			return nil
		}
		if once && time.Since(began) > convergeTime {
			return errors.Join(fmt.Errorf("not converged within %v: %s", convergeTime, missing), err)
		}
		if !poked && ((err == nil && missing == "") || time.Since(began) > 30*time.Second) {
			poke()
			poked, board.drawn = true, 0
		}
		select {
		case err := <-a.exited:
			a.exited <- err
			return fmt.Errorf("the agent ended: %w", err)
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// createEntities sends a batch create.
func createEntities(ctx context.Context, brokerURL string, entities []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, brokerURL+"/ngsi-ld/v1/entityOperations/create", bytes.NewReader(entities))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("create entities: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return fmt.Errorf("create entities: %w", err)
	}
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("create entities: the broker answers %s: %s", resp.Status, body)
	}
	return nil
}

// planToken is no secret: the plan API listens on this machine only.
const planToken = "sandbox"

func howToPoke(w io.Writer, binary, brokerURL, kubeconfig, log string, a *agentProcess, server *kube.Server) {
	id := world.Poke()
	fmt.Fprintf(w, `
Change an image, or order a removal:
  curl -X PATCH -H 'Content-Type: application/json' %[1]s/ngsi-ld/v1/entities/%[2]s \
    -d '{"containerImage": {"type": "Property", "value": "registry.example.org/changed:2"}}'
  curl -X PATCH -H 'Content-Type: application/json' %[1]s/ngsi-ld/v1/entities/%[2]s \
    -d '{"serviceComponentStatus": {"type": "Relationship", "object": "urn:ngsi-ld:ServiceComponentStatus:Removing"}}'
Ask where something would go best, and GET the plan that is named in the answer:
  curl -H 'Authorization: Bearer %[7]s' -H 'Content-Type: application/json' %[8]s/v1/plans \
    -d '{"template": {"homing_template_version": "2018-02-01", "demands": {"new": [{"inventory_provider": "aerios", "inventory_type": "infrastructure_element"}]}}}'
  curl -H 'Authorization: Bearer %[7]s' %[8]s/v1/plans
See where everything stands, and why one does not run:
  export CB_URL=%[1]s KUBECONFIG=%[4]s DOMAIN_ID='*'
  %[9]s status
  %[9]s describe %[10]s
  %[9]s why %[10]s
  %[9]s pause %[10]s
Look into the cluster, and at the agent:
  %[3]s --kubeconfig %[4]s get aeros
  curl %[5]s/metrics
  tail -f %[6]s

`, brokerURL, id, server.KubectlPath(), kubeconfig, a.ops, log, planToken, strings.TrimSuffix(a.url, "/notify"), binary, id[strings.LastIndexByte(id, ':')+1:])
}

// tail is the end of a log, as an error to join to another one.
func tail(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return fmt.Errorf("last words of the agent:\n%s", text[max(0, len(text)-2000):])
}
