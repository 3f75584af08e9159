package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// clusterPatience is how long the commands for people wait for clusters.
const clusterPatience = 10 * time.Second

// sight is what broker and clusters hold, read by a command for people. It reads as
// the loop does, and changes nothing.
type sight struct {
	*reconciler
	program  string // what the commands are called by
	dial     func(kubeconfig string) (*rest.Config, error)
	entities map[ngsild.EntityID]ngsild.Entity // the components
	noBroker error                             // why there are none
	notes    []string                          // what could not be looked at
}

// seen is one component as it is: what the broker has, what a look gives, and what
// the agent reported.
type seen struct {
	*pass
	there bool   // the broker holds the entity
	asked bool   // the API server was asked whether it would take it
	said  status // what the entity reports
	now   status // where it stands, and why
	note  string // in what the report differs from that
}

// look connects to broker and clusters and reads both. stop ends the connections.
// What does not answer is noted; it is an error if nothing does.
func (o *operator) look(cmd *cobra.Command) (s *sight, stop func(), err error) {
	cfg, client, err := o.reach(cmd)
	if err != nil {
		return nil, nil, err
	}
	loaded, err := loadRules(&cfg.Config)
	if err != nil {
		return nil, nil, err
	}
	s = &sight{program: cmd.Root().DisplayName(), reconciler: &reconciler{cfg: cfg.Config, domains: newDomains(cfg.Domains), client: client, log: slog.New(slog.DiscardHandler), now: time.Now, desk: newDesk()}}
	s.tracker, s.links = newTracker(s.now), newLinks(client, loaded.followed, s.now)
	s.use(loaded)
	s.dial = cfg.tenant.kubernetes(o.dial(cfg.Kubeconfig))
	if s.clusters, err = clustersOf(cmd.Context(), &cfg.Config, s.dial, loaded, s.log); err != nil {
		return nil, nil, err
	}
	running, cancel := context.WithCancel(cmd.Context())
	ended := make(chan error, 2)
	go func() { ended <- s.clusters.Run(running) }()
	go func() { ended <- s.links.run(running) }()
	stop = func() { cancel(); <-ended; <-ended }
	s.readBroker(cmd.Context())
	s.awaitClusters(cmd.Context())
	if s.noBroker != nil && len(s.clusters.All()) == 0 {
		stop()
		return nil, nil, errors.Join(append([]error{s.noBroker}, asErrors(s.notes)...)...)
	}
	return s, stop, nil
}

func asErrors(texts []string) []error {
	var errs []error
	for _, text := range texts {
		errs = append(errs, errors.New(text))
	}
	return errs
}

// readBroker reads the components, and what they link to into the cache.
func (s *sight) readBroker(ctx context.Context) {
	asked, seen := s.now(), map[ngsild.EntityID]bool{}
	_, err := s.client.List(ctx, ngsild.Query{Types: s.links.types(), Local: true}, func(page []ngsild.Entity) error {
		for _, e := range page {
			seen[e.ID] = true
			s.links.put(e, time.Time{})
		}
		return nil
	})
	switch {
	case err == nil:
		s.links.drop(seen, asked)
	case !errors.Is(err, ngsild.ErrShortList):
		s.noBroker = ofBroker(&s.cfg, err)
		return
	}
	s.entities, s.noBroker = listComponents(ctx, &s.cfg, s.client)
}

// awaitClusters waits until the clusters were listed, and notes those that cannot be.
func (s *sight) awaitClusters(ctx context.Context) {
	s.notes = nil
	if s.clusters.await(ctx, clusterPatience) {
		return
	}
	for _, name := range s.clusters.names() {
		if s.clusters.Ready(name) {
			continue
		}
		setting := "CLUSTERS"
		if name == defaultCluster {
			setting = "KUBECONFIG"
		}
		s.notes = append(s.notes, fmt.Sprintf("the cluster %s (%s) cannot be listed: %s", name, setting, s.whyNotListed(name)))
	}
}

// whyNotListed says why a cluster cannot be listed: it does not answer, or answers
// no to a kind.
func (s *sight) whyNotListed(name string) string {
	if err := s.clusters.lost(name, 0); err != nil {
		return plainly(err)
	}
	for _, kind := range s.rules().Kinds() {
		if err := s.clusters.KindState(name, kind); err != nil && !errors.Is(err, llo.ErrNoKind) {
			return err.Error()
		}
	}
	return "no answer in time"
}

// ids are those of all components that the broker or a cluster knows of.
func (s *sight) ids() []ngsild.EntityID {
	known := map[ngsild.EntityID]bool{}
	for id := range s.entities {
		known[id] = true
	}
	for _, l := range s.clusters.All() {
		if id := entityOf(l); id != "" {
			known[id] = true
		}
	}
	return slices.SortedFunc(maps.Keys(known), compareID)
}

// find is the component that a word means.
func (s *sight) find(word string) (ngsild.EntityID, error) {
	names := map[ngsild.EntityID]string{}
	for _, l := range s.clusters.All() {
		names[entityOf(l)] = l.Name
	}
	id, err := find(s.ids(), names, word)
	if other := s.links.knownAs(word); err != nil && other != nil && other.Type != typeService {
		err = fmt.Errorf("%s is of the type %s, and no ServiceComponent%s", other.ID, other.Type, someOf("; on it or of it are ", s.linkedTo(other.ID)))
	}
	if err != nil {
		return "", errors.Join(append([]error{fmt.Errorf("%s: %w", brokerName(&s.cfg), err), s.noBroker}, asErrors(s.notes)...)...)
	}
	return id, nil
}

// linkedTo are the components that are placed on an entity, or whose element belongs to it.
func (s *sight) linkedTo(id ngsild.EntityID) []ngsild.EntityID {
	var on []ngsild.EntityID
	for _, of := range sortedIDs(s.entities) {
		e := s.entities[of]
		element := firstLink(&e, attrElement)
		known := s.links.knownAs(string(element))
		if element == id || known != nil && (firstLink(known, "domain") == id || firstLink(known, "lowLevelOrchestrator") == id) {
			on = append(on, of)
		}
	}
	return on
}

// see looks at one component. With ask the API server is asked, by a dry run,
// whether it would take what is to be applied.
func (s *sight) see(ctx context.Context, id ngsild.EntityID, ask bool) *seen {
	e, there := s.entities[id]
	c := &seen{there: there, asked: ask, pass: &pass{
		view:  view{id: id, record: record{entity: e, known: there, absent: !there}},
		rules: s.rules(), live: s.clusters.ByEntity(string(id)),
	}}
	s.takeErrand(c.pass)
	c.said = reported(&c.entity)
	c.said.Message = credentialsInEntity(&c.entity).CutFrom(c.said.Message) // others may have written it
	var err error
	if c.placement, err = s.place(ctx, c.pass); err != nil {
		c.now, c.note = c.said, ofBroker(&s.cfg, err).Error()
		return c
	}
	c.cluster, c.paused = s.clusterFor(c.pass), paused(c.pass)
	s.render(c.pass)
	if ask {
		s.preview(ctx, c.pass)
	}
	s.judge(c)
	return c
}

// preview finds what only the API server can say against what is wanted.
func (s *sight) preview(ctx context.Context, p *pass) {
	if p.want != wanted || p.problem != nil || p.paused || !s.clusters.Ready(p.cluster) {
		return
	}
	under := s.moveOf(p, p.main())
	for _, o := range p.objects.Objects {
		o = o.DeepCopy()
		mark(o, p, under)
		if _, err := s.clusters.Preview(ctx, p.cluster, o); err != nil {
			if p.problem = applyProblem(err); p.problem != nil {
				return
			}
		}
	}
}

// judge says where a component stands. What the agent reported is believed where it
// can know more than a look: of choices, of other domains, of what lasts.
func (s *sight) judge(c *seen) {
	lost := s.clusters.lost(c.cluster, 0)
	switch {
	case s.noBroker != nil && c.allocated == nil:
		c.now = s.objectOf(c)
		c.now.Reason = seenBrokerAway
	case !c.there && c.allocated == nil:
		c.now = s.objectOf(c)
		c.now.Reason = seenEntityGone
	case c.want == elsewhere:
		c.now = c.said
		if c.now.Phase == "" {
			c.now = foreign(c.pass)
		}
	case lost != nil || !s.clusters.Ready(c.cluster):
		c.now = c.said
		if c.now.Reason != reasonClusterUnreachable {
			c.note = "the cluster " + c.cluster + " cannot be looked at"
		}
	case c.want == remove, c.want == unplaced && s.cfg.Homing == homingAuto && c.said.Phase != "":
		c.now = c.said
	default:
		s.observed(c)
	}
	if c.now.Phase == "" {
		c.now.Phase, c.now.Reason = mapping.Unknown, seenNotTakenUp
	}
	if c.said.Phase != "" && c.said.Phase != c.now.Phase && c.note == "" {
		c.note = "reported as " + string(c.said.Phase)
	}
}

// foreign is where a component stands that is not ours, and of which nothing was reported.
func foreign(p *pass) status {
	switch {
	case firstLink(&p.entity, attrElement) == "":
		return status{Phase: mapping.Unplaced, Reason: mapping.ReasonUnplaced}
	case p.input.Element == nil:
		return status{Phase: mapping.Unknown, Reason: mapping.ReasonElementMissing}
	case firstLink(p.input.Element, "domain") == "":
		return status{Phase: mapping.Unknown, Reason: seenNobodys}
	}
	return status{Phase: mapping.Unknown, Reason: seenElsewhere}
}

// observed judges by what the loop would say now.
func (s *sight) observed(c *seen) {
	before := c.again
	s.observe(c.pass)
	c.again = before
	switch {
	case c.status == nil && c.want == ended:
		c.now = c.said
		if c.now.Phase == "" {
			c.now = status{Phase: mapping.Unplaced, Reason: seenEnded}
		}
	case c.status == nil:
		c.now = c.said
	case c.main() == nil && c.status.Reason == reasonAccepted && !c.asked && c.said.UID == "" && c.said.Phase != "":
		c.now = c.said
	case c.main() == nil && c.status.Reason == reasonAccepted:
		c.now = status{Phase: mapping.Pending, Reason: seenNotTakenUp}
	case c.said.Phase == c.status.Phase && c.problem == nil && c.said.UID == c.status.UID:
		c.now = c.said
	default:
		c.now = *c.status
		if c.said.Phase == "" && c.problem == nil && c.status.UID != "" {
			c.note = "not reported"
		}
	}
}

// objectOf is what the object of a component says, with nothing known of the entity.
func (s *sight) objectOf(c *seen) status {
	var now status
	if main := c.main(); main != nil {
		now.identify(main)
		state := c.rules.Observe(main.Object())
		now.Phase, now.Message = state.Phase, state.Message
	}
	return now
}

// words fill the braces of an explanation.
func (s *sight) words(c *seen) *strings.Replacer {
	element, of := c.input.Element, func(e *ngsild.Entity, name string) string {
		if e == nil {
			return "?"
		}
		return lastOf(string(firstLink(e, name)))
	}
	resource := "?"
	if c.now.Name != "" {
		resource = strings.TrimPrefix(c.now.Kind+" "+c.now.Namespace+"/"+c.now.Name, " ")
	} else if len(c.objects.Objects) > 0 {
		resource = objectName(c.objects.Objects[0])
	}
	mapped := c.objects.Mapping
	for _, m := range s.considered(c) {
		if m.Chosen {
			mapped = m.Name
		}
	}
	return strings.NewReplacer(
		"`hlo-agent ", "`"+s.program+" ",
		"{id}", string(c.id), "{short}", short(c.id), "{service}", string(serviceOf(&c.entity)),
		"{element}", cut(string(firstLink(&c.entity, attrElement)), "urn:ngsi-ld:InfrastructureElement:"),
		"{orchestrator}", of(element, "lowLevelOrchestrator"), "{domain}", of(element, "domain"),
		"{resource}", resource, "{mapping}", mapped, "{cluster}", c.cluster, "{namespace}", s.cfg.Namespace, "{policy}", s.cfg.SyncPolicy,
		"{deadline}", s.cfg.ProgressDeadline.String(), "{move}", s.cfg.MoveTimeout.String(),
	)
}

// considered are the mappings in the order in which they are preferred, with why each
// was chosen or not; none where that cannot be told yet.
func (s *sight) considered(c *seen) []mapping.Considered {
	_, x, _ := c.rules.Explain(c.input, s.cfg.Namespace) // what is wrong is the pass's problem
	return x.Mappings
}

func cut(text, prefix string) string {
	if text == "" {
		return "?"
	}
	return strings.TrimPrefix(text, prefix)
}
