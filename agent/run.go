package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/agent/plans"
	"github.com/hlo-agent/hlo-agent/allocation/kafka"
	"github.com/hlo-agent/hlo-agent/allocation/peer"
	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// How long a stop may take: first the queue is worked off, then connections end.
const (
	drainTime  = 10 * time.Second
	handTime   = time.Second     // the same where another copy takes over
	answerTime = 5 * time.Second // after a subscription was deleted; deleting one with an unanswered notification crashes Orion-LD
)

// service is a running agent: the loop, and what feeds it.
type service struct {
	*reconciler
	keeper   *ngsild.Keeper
	receiver *ngsild.Receiver
	lead     *lead
	relay    *relay // while this copy does not lead; nil: there are no others
	hop      *hop
	room     *room           // of a tenant; nil: there are none
	gate     *gate           // before what others may ask
	plans    *plans.Book     // nil: there is no plan API
	consumer *kafka.Consumer // of allocation messages; nil: none are read
	health   *health
	ask      chan struct{} // a resync is wanted now
	relook   chan struct{} // the subscriptions are to be looked at now, and a resync is wanted
	texts    ruleTexts     // what the first rules were made of
	worked   chan struct{} // closed when the last worker has ended
	degraded atomic.Bool   // a subscription cannot be repaired for now
	// subscribed is what the broker was last seen to send as it should.
	subscribed atomic.Pointer[followed]
}

// Run is the agent. It returns when ctx has ended and the queue is worked off
// (at most drainTime), or when a listener cannot be opened. The broker and the
// API server may be down when it starts, and at any time later. ErrLeadLost, only
// with LEADER_ELECTION, says that it ended since another copy may act.
func (o Outside) Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	o = o.orReal()
	reg := prometheus.NewRegistry()
	m := newMetrics(reg)
	h := newHealth()
	if o.room != nil {
		o.room.measure(reg)
	}
	o.lead = newLead(cfg.LeaderElection && !cfg.DryRun)
	client, renewed, err := o.client(&cfg, m.broker)
	if err != nil {
		return err
	}
	kube := fileConnection("", cfg.Kubeconfig, o.Kubernetes)
	if kube.err != nil {
		return fmt.Errorf("KUBECONFIG: %w", kube.err)
	}
	table, err := newTableReader(&cfg, o.Kubernetes, kube.rest)
	if err != nil {
		return err
	}
	texts, err := readRules(&cfg)
	if err != nil {
		return err
	}
	loaded, err := texts.compile(&cfg)
	if err != nil {
		return err
	}
	// Everything but the signal's context: a stop is a sequence, not a cut.
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	outside, err := o.systems(inner, &cfg, client, m)
	if err != nil {
		return err
	}
	gate, err := newGate(&cfg, o.Now, m, log)
	if err != nil {
		return err
	}
	public, ops, shown, facesRenewed, err := o.faces(&cfg, m, log)
	if err != nil {
		return err
	}
	defer public.Close()
	defer ops.Close()

	s := &service{room: o.room, health: h, lead: o.lead, hop: newHop(shown, o.Copies), gate: gate, ask: make(chan struct{}, 1), relook: make(chan struct{}, 1), texts: texts, worked: make(chan struct{})}
	s.reconciler = &reconciler{cfg: cfg, client: client, systems: outside, metrics: m, log: log, now: o.Now, rand: o.Rand}
	s.tracker, s.links, s.queue = newTracker(s.now), newLinks(client, loaded.followed, s.now), newQueue(m)
	s.desk = newDesk()
	s.together = newTogether(client, s.desk.waiting)
	s.use(loaded)
	if cfg.Homing == homingAuto {
		s.homer = newHomer(s.reconciler, s.contested)
	}
	peers, peersRenewed, err := o.peerTransport(&cfg)
	if err != nil {
		return err
	}
	if !cfg.DryRun {
		s.neighbours = newNeighbours(peer.NewClient(peers), s.reconciler)
	}
	if s.overlays, err = s.newOverlays(peers); err != nil {
		return err
	}
	if !cfg.DryRun {
		s.events = newTeller(func(ctx context.Context, cluster string, e llo.Event) error { return s.clusters.Tell(ctx, cluster, e) },
			func(result string) { m.events.WithLabelValues(result).Inc() }, s.now, log)
	}
	s.guard = newGuard(&cfg, s.prunable, s.now, log)

	var group errgroup.Group
	group.Go(func() error { return ops.Serve(inner, opsHandler(reg, h, &cfg)) })
	group.Go(func() error { return s.keepLoaded(inner, slices.Concat(renewed, facesRenewed, peersRenewed)...) })
	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	if err := s.identify(ctx, client); err == nil {
		if err := s.runFor(o, kube.rest); err != nil {
			cancel()
			return errors.Join(err, group.Wait())
		}
		s.clusters = newClusters(cfg.Workers, log, s.newCluster)
		s.clusters.fence = s.lead.fenceCluster
		if err := s.clusters.add(defaultCluster, kube); err != nil {
			cancel()
			return errors.Join(err, group.Wait())
		}
		if s.consumer, err = s.newConsumer(); err != nil {
			cancel()
			return errors.Join(err, group.Wait())
		}
		if s.plans, err = s.newPlans(); err != nil {
			cancel()
			return errors.Join(err, group.Wait())
		}
		s.watchState(reg, h.lastResync, s.messageLag, s.lead.acts)
		h.update(func(h *health) { h.checks["kubernetes"], h.checks["guard"] = s.clusterText, s.guard.state })
		s.start(ctx, inner, &group, public, table, func() { lose(ErrLeadLost); cancel() })
		<-ctx.Done()
		s.stop(inner, cancel)
	}
	cancel()
	err = group.Wait()
	s.handOnRest()
	if errors.Is(context.Cause(ctx), ErrLeadLost) {
		err = errors.Join(ErrLeadLost, err)
	}
	return err
}

// identify completes DOMAIN_ID and AGENT_ID, which everything else is named by.
func (s *service) identify(ctx context.Context, client *ngsild.Client) error {
	s.health.update(func(h *health) { h.listening = true })
	if err := askDomains(ctx, &s.cfg, client, s.log, s.health); err != nil {
		return err
	}
	id, err := s.cfg.agentID()
	s.cfg.AgentID, s.domains = id, newDomains(s.cfg.Domains)
	return err
}

// newCluster makes a cluster that queues the entities whose objects change in it.
func (s *service) newCluster(name string, to *rest.Config) (*llo.Cluster, error) {
	made, err := llo.New(llo.Config{
		Name: name, REST: to, Owner: s.cfg.AgentID, Manager: "hlo-agent/" + s.cfg.AgentID,
		Scope: s.rules().scope(name), Adopt: s.cfg.adopt(),
		Log: s.log.With("cluster", name), Observe: s.metrics.kubernetes,
		TakenOver: func(kind string) { s.metrics.takeovers.WithLabelValues(kind).Inc() },
	})
	if err != nil {
		return nil, err
	}
	made.OnChange(func(entity string) {
		if s.lead.acts() { // else nobody would ever take it out, and the first resync finds it
			s.queue.Add(ngsild.EntityID(entity))
		}
	})
	return made, nil
}

// start begins everything that runs until the stop. A copy among several only
// listens and reads until it is elected; lost is called when it may act no longer.
// Workers begin when the broker was listed once, and the clusters, as far as they
// answer: before that, nothing is known.
func (s *service) start(ctx, inner context.Context, group *errgroup.Group, public Face, table *tableReader, lost func()) {
	s.keeper = ngsild.NewKeeper(s.keeperConfig())
	s.receiver = ngsild.NewReceiver(s.receiverConfig())
	group.Go(func() error { return public.Serve(inner, s.front(inner, s.routes())) })
	group.Go(func() error { return s.receiver.Run(inner) })
	group.Go(func() error { return s.clusters.Run(inner) })
	group.Go(func() error { return s.links.run(inner) })
	group.Go(func() error { return s.together.run(inner) })
	if s.neighbours != nil {
		group.Go(func() error { return s.neighbours.run(inner) })
	}
	if s.events != nil {
		group.Go(func() error { return s.events.run(inner) })
	}
	if s.overlays != nil {
		group.Go(func() error { s.overlays.lane.run(inner); return nil })
	}
	group.Go(func() error {
		defer close(s.worked)
		bound := s.bindFirst(ctx, table)
		files := append(s.secretReload(), s.rulesReload(s.texts), bound)
		if bound == nil || !s.awaitLead(ctx, files) {
			return nil
		}
		if s.lead.elects {
			group.Go(func() error {
				if s.lead.hold(ctx) {
					s.log.Error("the lead could not be renewed in time, ending at once")
					lost()
				}
				return nil
			})
		}
		if !s.listFirst(ctx) {
			return nil
		}
		var all errgroup.Group
		all.Go(func() error { return s.work(inner, s.cfg.Workers) })
		all.Go(func() error { return s.keepTrue(ctx) })
		all.Go(func() error { return s.keepLoaded(ctx, files...) })
		all.Go(func() error { return s.keepClusters(ctx) })
		if s.consumer != nil {
			all.Go(func() error { return s.consumer.Run(ctx) })
		}
		if s.homer != nil {
			all.Go(func() error { return s.homer.run(ctx) })
		}
		if s.plans != nil {
			all.Go(func() error { return s.plans.Run(ctx) })
		}
		return all.Wait()
	})
}

// routes are what there is on the public face.
func (s *service) routes() *mux.Router {
	router := mux.NewRouter().UseEncodedPath().SkipClean(true)
	router.Handle("/notify", s.receiver)
	s.serveAllocations(router, s.gate)
	s.servePlans(router)
	return router
}

// stop ends the agent in an order that loses nothing: subscriptions that are
// to go are deleted while notifications are still answered, then what is
// queued is done. Where another copy takes over, which lists everything, only what
// is under way is done. Orders that only we know of are written again. cut ends what
// takes too long.
func (s *service) stop(ctx context.Context, cut func()) {
	drain := drainTime
	if s.lead.elects {
		drain = handTime
		s.leaving.Store(true)
	}
	s.log.Info("stopping", "drain", drain)
	s.health.update(func(h *health) { h.draining = true })
	s.desk.close()
	until := time.After(answerTime)
	if s.cfg.SubscriptionOnExit == "delete" && !s.cfg.DryRun {
		deleting, cancel := context.WithTimeout(ctx, answerTime)
		if err := s.keeper.Delete(deleting); err != nil {
			s.log.Warn("could not delete the subscriptions", "err", err)
		}
		cancel()
		<-until
	}
	s.queue.ShutDown()
	select {
	case <-s.worked:
	case <-ctx.Done():
	case <-time.After(drain):
		s.log.Warn("stopped with work left; the next start finds it again", "entities", s.queue.Len())
	}
	s.putBackCrossed(ctx)
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	if !s.lead.leave(leaving, cut) {
		s.log.Warn("a write was not answered and may still take effect, so no other copy leads before the Lease has run out")
	}
}

// prunable are the objects that a missing entity could cost us, and how many copies in other domains.
func (s *service) prunable() (here []*llo.Live, elsewhere int) {
	if s.neighbours != nil {
		elsewhere = s.neighbours.standing()
	}
	return brokerOrigin(s.clusters.All()), elsewhere
}
