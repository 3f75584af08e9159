package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// exitDifferent is the exit code of a comparison that found something.
const exitDifferent exit = 2

func diffCommand(getenv func(string) string) *cobra.Command {
	var files []string
	var only string
	cmd := &cobra.Command{
		Use: "diff [-f FILE]... [--id ENTITY]", Args: cobra.NoArgs,
		Short: "Compare what would be applied with what is there, field by field",
		Long: "Renders the components of some files or, without -f, of the broker, and asks the API server by a dry run what\n" +
			"applying them would change. Settings are those of the agent: the cluster of KUBECONFIG, MAPPINGS, POLICY and so\n" +
			"on. Nothing is changed anywhere. What may be a credential is masked. Without -f, objects whose entities are gone\n" +
			"are shown too. Exit 0: nothing differs; 2: something does; 1: something could not be compared.",
		Example: "  hlo-agent diff\n  hlo-agent diff --id urn:ngsi-ld:Service:s:Component:c\n  hlo-agent diff -f world.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, client, err := diffSettings(cmd, getenv, len(files) > 0)
			if err != nil {
				return err
			}
			d := differ{out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr(), only: ngsild.EntityID(only)}
			return d.run(cmd.Context(), &cfg, client, files, cmd.InOrStdin())
		},
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "file with entities, instead of the broker; - is the standard input")
	cmd.Flags().StringVar(&only, "id", "", "only this component")
	getenv = tenantFlag(cmd.Flags(), getenv)
	return cmd
}

// diffSettings are those of the agent. With files no broker is needed: then DOMAIN_ID is * where it is not set.
func diffSettings(cmd *cobra.Command, getenv func(string) string, offline bool) (commandConfig, *ngsild.Client, error) {
	if !offline {
		cfg, client, _, err := connect(cmd, getenv)
		return cfg, client, err
	}
	cfg, err := loadOne(cmd.Context(), func(name string) string {
		return cmp.Or(getenv(name), map[string]string{
			"NOTIFICATION_URL": "http://unused.invalid/notify", "CB_URL": "http://unused.invalid", "DOMAIN_ID": "*",
		}[name])
	})
	if err != nil {
		return cfg, nil, fmt.Errorf("wrong settings:\n%w", err)
	}
	cfg.AgentID, err = cfg.agentID()
	return cfg, nil, err
}

// differ compares components with their objects. It renders as the loop does, and changes nothing.
type differ struct {
	*reconciler
	tenant          tenant
	out, notes      io.Writer
	only            ngsild.EntityID
	differs, failed int
}

func (d *differ) run(ctx context.Context, cfg *commandConfig, client *ngsild.Client, files []string, stdin io.Reader) error {
	loaded, err := loadRules(&cfg.Config)
	if err != nil {
		return err
	}
	d.tenant = cfg.tenant
	d.reconciler = &reconciler{cfg: cfg.Config, domains: newDomains(cfg.Domains), client: client, log: slog.New(slog.DiscardHandler), now: time.Now}
	d.desk = newDesk()
	d.tracker, d.links = newTracker(d.now), newLinks(client, loaded.followed, d.now)
	d.use(loaded)
	entities, err := d.read(ctx, files, stdin)
	if err != nil {
		return err
	}
	if d.only != "" && entities[d.only].Type != typeComponent {
		return fmt.Errorf("no ServiceComponent %s in what was read", d.only)
	}
	stop, err := d.look(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for _, id := range sortedIDs(entities) {
		if e := entities[id]; e.Type == typeComponent && (d.only == "" || d.only == id) {
			d.component(ctx, e)
		}
	}
	if len(files) == 0 && d.only == "" {
		d.orphans(entities)
	}
	switch {
	case d.failed > 0:
		return fmt.Errorf("%d could not be compared", d.failed)
	case d.differs > 0:
		return exitDifferent
	}
	return nil
}

// look connects to the clusters and waits until they were listed.
func (d *differ) look(ctx context.Context) (stop func(), err error) {
	if d.clusters, err = clustersOf(ctx, &d.cfg, d.tenant.kubernetes(restConfig), d.rules(), d.log); err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 2)
	go func() { ended <- d.clusters.Run(running) }()
	go func() { ended <- d.links.run(running) }()
	stop = func() { cancel(); <-ended; <-ended }
	if err := waitReady(ctx, d.clusters, d.log); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// read reads the entities, and what the components link to into the cache. Of files, what is not in them is missing.
func (d *differ) read(ctx context.Context, files []string, stdin io.Reader) (map[ngsild.EntityID]ngsild.Entity, error) {
	entities, asked, seen := map[ngsild.EntityID]ngsild.Entity{}, d.now(), map[ngsild.EntityID]bool{}
	defer func() { d.links.drop(seen, asked) }()
	take := func(found []ngsild.Entity) error {
		for _, e := range found {
			entities[e.ID], seen[e.ID] = e, true
			if e.Type != typeComponent {
				d.links.put(e, time.Time{})
			}
		}
		return nil
	}
	for _, file := range files {
		text, err := readFile(file, stdin)
		if err != nil {
			return nil, err
		}
		found, errs := ngsild.DecodeEntities(text)
		for _, err := range errs {
			fmt.Fprintf(d.notes, "%s: %v\n", file, err)
			d.failed++
		}
		_ = take(found) // gives no error
	}
	if len(files) == 0 {
		for _, types := range [][]string{d.links.types(), {typeComponent}} {
			if _, err := d.client.List(ctx, ngsild.Query{Types: types, Local: true}, take); err != nil {
				return nil, fmt.Errorf("list %s: %w", strings.Join(types, ", "), err)
			}
		}
		return entities, nil
	}
	var absent []ngsild.EntityID
	for _, e := range entities {
		if e.Type == typeComponent {
			mapping.Gather(e, func(id ngsild.EntityID) *ngsild.Entity {
				if found, there := entities[id]; there {
					return &found
				}
				absent = append(absent, id)
				return nil
			})
		}
	}
	d.links.missing(absent, d.now())
	return entities, nil
}

func sortedIDs(entities map[ngsild.EntityID]ngsild.Entity) []ngsild.EntityID {
	ids := make([]ngsild.EntityID, 0, len(entities))
	for id := range entities {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// component compares the objects of one component, as a pass of the loop would leave them.
func (d *differ) component(ctx context.Context, e ngsild.Entity) {
	p := &pass{
		view:  view{id: e.ID, record: record{entity: e, known: true}},
		rules: d.rules(), live: d.clusters.ByEntity(string(e.ID)),
	}
	if d.takeErrand(p); p.allocated != nil && d.client == nil {
		d.note(p.id, "was asked for by another domain, which says what it is made of, not its entity")
		return
	}
	var err error
	if p.placement, err = d.place(ctx, p); err != nil {
		d.fail(p.id, err.Error())
		return
	}
	p.cluster = d.clusterFor(p)
	d.render(p)
	switch {
	case paused(p):
		d.note(p.id, "is paused, so nothing is applied")
	case p.want == remove:
		d.gone(p.live, keepsObjects(&p.entity), "ordered away (Removing)")
	case p.want == elsewhere:
		d.note(p.id, "is another domain's, so nothing is applied")
	case p.want != wanted:
		d.note(p.id, cmp.Or(notApplied(&p.entity), "is not wanted, so nothing is applied"))
	case p.problem != nil:
		d.fail(p.id, p.problem.reason+": "+p.problem.message)
	default:
		d.wanted(ctx, p)
	}
}

func (d *differ) wanted(ctx context.Context, p *pass) {
	main := p.main()
	switch {
	case main != nil && d.cfg.SyncPolicy == syncCreate:
		d.note(p.id, "SYNC_POLICY is create-only, so what is there is not changed")
		return
	case main != nil && d.cfg.SyncPolicy == syncAll && p.endedBefore(string(main.UID)):
		d.anew(p.live)
		return
	}
	under := d.moveOf(p, main)
	for _, o := range p.objects.Objects {
		mark(o, p, under)
		preview, err := d.clusters.Preview(ctx, p.cluster, o)
		if err != nil {
			if problem := applyProblem(err); problem != nil {
				err = errors.New(problem.reason + ": " + problem.message)
			}
			d.fail(p.id, err.Error())
			continue
		}
		d.print(p.id, preview)
	}
	var old []*llo.Live
	for _, l := range p.live {
		if !p.renders(l) {
			old = append(old, l)
		}
	}
	d.gone(old, keepsObjects(&p.entity), "not rendered any more; it goes when what is rendered runs")
}

func (d *differ) print(id ngsild.EntityID, p llo.Preview) {
	found := differences(p.Now, p.Next)
	if len(found) == 0 {
		return
	}
	d.differs++
	what := "changed"
	if p.Now == nil {
		what = "created"
	}
	fmt.Fprintf(d.out, "%s: %s (%s)\n", what, objectName(p.Next), id)
	for _, one := range found {
		fmt.Fprintf(d.out, "  %s\n", one)
	}
}

func objectName(o *unstructured.Unstructured) string {
	return llo.Key{GVK: o.GroupVersionKind(), Namespace: o.GetNamespace(), Name: o.GetName()}.String()
}

// gone shows objects that would be deleted or, where they are kept, be nobody's.
func (d *differ) gone(live []*llo.Live, keeps bool, why string) {
	for _, l := range live {
		switch {
		case l.Deleting:
		case d.cfg.SyncPolicy != syncAll:
			d.note(entityOf(l), l.Key.String()+" stays, since SYNC_POLICY is "+d.cfg.SyncPolicy+": "+why)
		case orphaned(l) || keeps:
			d.differs++
			fmt.Fprintf(d.out, "orphaned: %s (%s): %s\n", l.Key, entityOf(l), why)
		default:
			d.differs++
			fmt.Fprintf(d.out, "deleted: %s (%s): %s\n", l.Key, entityOf(l), why)
		}
	}
}

// anew shows objects that would be deleted so that others can have their names.
func (d *differ) anew(live []*llo.Live) {
	for _, l := range live {
		d.differs++
		fmt.Fprintf(d.out, "deleted: %s (%s): ordered again after its end, and made anew\n", l.Key, entityOf(l))
	}
}

// orphans are the objects whose entities were not listed.
func (d *differ) orphans(entities map[ngsild.EntityID]ngsild.Entity) {
	for _, l := range brokerOrigin(d.clusters.All()) {
		if _, there := entities[entityOf(l)]; !there {
			d.gone([]*llo.Live{l}, false, "its entity is not in the broker; it goes once that is proved")
		}
	}
}

func (d *differ) note(id ngsild.EntityID, text string) {
	fmt.Fprintf(d.notes, "%s: note: %s\n", id, text)
}

func (d *differ) fail(id ngsild.EntityID, text string) {
	d.failed++
	fmt.Fprintf(d.notes, "%s: %s\n", id, text)
}
