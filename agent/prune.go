package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

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
	return cmd
}

func prune(ctx context.Context, cfg *Config, client *ngsild.Client, confirm string, stdout, stderr io.Writer) error {
	kube, err := restConfig(cfg.Kubeconfig)
	if err != nil {
		return err
	}
	loaded, err := loadRules(cfg)
	if err != nil {
		return err
	}
	cluster := newClusters(func(string) {})
	err = cluster.add(llo.Config{Name: defaultCluster, REST: kube, Owner: cfg.AgentID, Manager: "hlo-agent/" + cfg.AgentID,
		Scope: loaded.scope, Log: newLogger(cfg, stderr)})
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- cluster.Run(running) }()
	defer func() { cancel(); <-ended }()
	if err := waitReady(ctx, cluster); err != nil {
		return err
	}
	missing, err := missingEntities(ctx, client, cluster, subscriptionID(cfg.AgentID, "components"))
	if err != nil {
		return err
	}
	for _, l := range missing {
		stays := ""
		if orphaned(l) {
			stays = "\tstays, and is nobody's then"
		}
		fmt.Fprintf(stdout, "%s\t%s%s\n", l.Key, entityOf(l), stays)
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
		do := cluster.Delete
		if orphaned(l) {
			do = cluster.Release
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

// waitReady waits until the cluster was listed.
func waitReady(ctx context.Context, cluster *clusters) error {
	deadline, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !cluster.Ready() {
		select {
		case <-tick.C:
		case <-deadline.Done():
			return errors.New("the cluster could not be listed within 30s; see KUBECONFIG")
		}
	}
	return nil
}

// missingEntities lists the objects of which the broker proves that their
// entities are gone, in order.
func missingEntities(ctx context.Context, client *ngsild.Client, cluster *clusters, subscription string) ([]*llo.Live, error) {
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
	for _, l := range brokerOrigin(cluster.All()) {
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
	slices.SortFunc(missing, func(a, b *llo.Live) int { return strings.Compare(a.Key.String(), b.Key.String()) })
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
