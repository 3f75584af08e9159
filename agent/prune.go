package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

func pruneCommand(getenv func(string) string) *cobra.Command {
	var digest string
	cmd := &cobra.Command{
		Use: "prune [--confirm DIGEST]", Args: cobra.NoArgs,
		Short: "List the objects whose entities are gone, and delete exactly these when confirmed",
		Long: "Lists the agent's objects of which the broker proves that their entities are gone: what the\n" +
			"deletion guard of a running agent holds back. With the digest that the list ends with, exactly\n" +
			"the listed objects are deleted, once.",
		Example: "  hlo-agent prune\n  hlo-agent prune --confirm 3f9a1c2b7d10",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, client, _, err := connect(cmd, getenv)
			if err != nil {
				return err
			}
			return prune(cmd.Context(), &cfg, client, digest, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&digest, "confirm", "", "delete the listed objects; the digest is the last line of the list")
	getenv = tenantFlag(cmd.Flags(), getenv)
	return cmd
}

func prune(ctx context.Context, cfg *commandConfig, client *ngsild.Client, confirm string, stdout, stderr io.Writer) error {
	log := newLogger(&cfg.Config, stderr)
	loaded, err := loadRules(&cfg.Config)
	if err != nil {
		return err
	}
	all, err := clustersOf(ctx, &cfg.Config, cfg.tenant.kubernetes(restConfig), loaded, log)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- all.Run(running) }()
	defer func() { cancel(); <-ended }()
	if err := waitReady(ctx, all, log); err != nil {
		return err
	}
	missing, err := missingEntities(ctx, client, all, subscriptionID(cfg.AgentID, "components"))
	if err != nil {
		return err
	}
	for _, l := range missing {
		in, stays := "", ""
		if all.several() {
			in = l.Cluster + "\t"
		}
		if orphaned(l) {
			stays = "\tstays, and is nobody's then"
		}
		fmt.Fprintf(stdout, "%s%s\t%s%s\n", in, l.Key, entityOf(l), stays)
	}
	digest := digestOf(missing)
	switch {
	case len(missing) == 0:
		fmt.Fprintln(stdout, "nothing to prune: every object's entity is there")
		return nil
	case confirm == "":
		fmt.Fprintf(stdout, "%d objects would go; to let exactly these go: hlo-agent prune --confirm %s\n", len(missing), digest)
		return nil
	case confirm != digest:
		return fmt.Errorf("the objects that would be deleted are others now (their digest is %s); nothing was deleted", digest)
	}
	released := 0
	for _, l := range missing {
		do := all.Delete
		if orphaned(l) {
			do = all.Release
			released++
		}
		if err := do(ctx, l); err != nil {
			return fmt.Errorf("let go of %s: %w", l.Key, err)
		}
	}
	fmt.Fprintf(stdout, "deleted %d objects\n", len(missing)-released)
	if released > 0 {
		fmt.Fprintf(stdout, "left %d objects, which are nobody's now\n", released)
	}
	return nil
}

// clustersOf are all clusters that the settings name, reached by dial; nothing runs yet.
func clustersOf(ctx context.Context, cfg *Config, dial func(kubeconfig string) (*rest.Config, error), in *rules, log *slog.Logger) (*clusters, error) {
	kube := fileConnection("", cfg.Kubeconfig, dial)
	if kube.err != nil {
		return nil, fmt.Errorf("KUBECONFIG: %w", kube.err)
	}
	reader, err := newTableReader(cfg, dial, kube.rest)
	if err != nil {
		return nil, err
	}
	table, err := reader.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("CLUSTERS: %w", err)
	}
	all := newClusters(cfg.Workers, log, func(name string, to *rest.Config) (*llo.Cluster, error) {
		return llo.New(llo.Config{Name: name, REST: to, Owner: cfg.AgentID, Manager: "hlo-agent/" + cfg.AgentID,
			Scope: in.scope(name), Adopt: cfg.adopt(), Log: log.With("cluster", name)})
	})
	if err := all.add(defaultCluster, kube); err != nil {
		return nil, err
	}
	if err := all.bind(table); err != nil {
		log.Warn("left out", "err", err)
	}
	return all, nil
}

// waitReady waits until the clusters were listed, and names those that cannot be.
func waitReady(ctx context.Context, all *clusters, log *slog.Logger) error {
	if all.await(ctx, 30*time.Second) {
		return nil
	}
	listed, _ := all.ready()
	if len(listed) == 0 {
		return errors.New("the cluster could not be listed within 30s; see KUBECONFIG")
	}
	log.Warn("not every cluster could be listed within 30s; the others are left out", "listed", listed)
	return nil
}

// missingEntities lists the objects of which the broker proves that their
// entities are gone, in order.
func missingEntities(ctx context.Context, client *ngsild.Client, all *clusters, subscription string) ([]*llo.Live, error) {
	listed := map[ngsild.EntityID]bool{}
	_, err := client.List(ctx, ngsild.Query{Types: []string{typeComponent}, Local: true}, func(page []ngsild.Entity) error {
		for _, e := range page {
			listed[e.ID] = true
		}
		return nil
	})
	if err != nil && !errors.Is(err, ngsild.ErrShortList) {
		return nil, fmt.Errorf("list components: %w", err)
	}
	var missing []*llo.Live
	for _, l := range brokerOrigin(all.All()) {
		if listed[entityOf(l)] || l.Deleting {
			continue
		}
		e, err := proveAbsent(ctx, client, entityOf(l), subscription)
		if err != nil {
			return nil, err
		}
		if e == nil {
			missing = append(missing, l)
		}
	}
	slices.SortFunc(missing, func(a, b *llo.Live) int {
		return cmp.Or(strings.Compare(a.Key.String(), b.Key.String()), strings.Compare(a.Cluster, b.Cluster))
	})
	return missing, nil
}

// digestOf names a set of objects: a new object of the same name is another.
func digestOf(live []*llo.Live) string {
	h := sha256.New()
	for _, l := range live {
		fmt.Fprintf(h, "%s|%s|%s\n", l.Cluster, l.Key, l.UID)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
