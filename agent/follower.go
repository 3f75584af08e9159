package agent

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// runFor makes the election that this copy takes part in, if there are several.
func (s *service) runFor(o Outside, kube *rest.Config) (err error) {
	if !s.lead.elects {
		return nil
	}
	if s.lead.self, err = selfName(&s.cfg, s.rand); err != nil {
		return err
	}
	if s.room != nil {
		s.lead.self += s.room.tenant.prefix()
	}
	if o.Elect != nil {
		s.lead.election = o.Elect(s.cfg.AgentID, s.lead.self)
	} else if s.lead.election, err = newLease(&s.cfg, s.lead.self, kube, s.log); err != nil {
		return err
	}
	s.health.update(func(h *health) { h.checks["leader"] = s.lead.text })
	return nil
}

// alsoFollow has a receiver hand on what comes while this copy does not lead.
func (s *service) alsoFollow(cfg *ngsild.ReceiverConfig) {
	s.relay = newRelay(s.lead, s.hop, s.keeper.Secrets, cfg.Count)
	unreadable := cfg.Unreadable
	cfg.Relay = s.relay.take
	cfg.Unreadable = func(reason string) {
		if s.lead.acts() {
			unreadable(reason)
			return
		}
		s.relay.miss()
	}
}

// learn finds out which secret notifications must carry; the copy that leads keeps
// the subscriptions that say it.
func (s *service) learn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, hopTime)
	defer cancel()
	how := "ok"
	if err := s.keeper.Reread(ctx); err != nil {
		how = err.Error()
	}
	if ctx.Err() == nil {
		s.health.set("broker", how)
	}
}

// awaitLead waits until this copy acts, and says whether that came before ctx ended.
// Meanwhile it reads what it will act by, and hands on what comes.
func (s *service) awaitLead(ctx context.Context, files []*reload) bool {
	if !s.lead.elects {
		return true
	}
	following, stop := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return s.keepLoaded(following, files...) })
	group.Go(func() error { s.relay.run(following); return nil })
	group.Go(func() error { s.keepLearning(following); return nil })
	elected := s.lead.campaign(ctx)
	stop()
	_ = group.Wait() // none of them gives one
	return elected
}

// handOnRest hands on what this copy has answered while it followed and not handed on
// yet, and says what is missing. It takes nothing in any more. Who led has no need of
// that: the next one lists everything.
func (s *service) handOnRest() {
	if s.relay == nil || s.lead.leader() == s.lead.self {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*hopTime)
	defer cancel()
	waiting, stop := context.WithTimeout(ctx, hopTime)
	defer stop()
	if !s.receiver.Drain(waiting) {
		s.relay.miss()
	}
	if err := s.relay.last(ctx); err != nil {
		s.log.Warn("the copy that leads could not be told that notifications may be missing, which its next resync finds", "err", err)
	}
}

// keepLearning learns the secret at once, and again and again until ctx ends.
func (s *service) keepLearning(ctx context.Context) {
	for {
		s.learn(ctx)
		wait := s.cfg.SubscriptionCheckInterval
		if len(s.keeper.Secrets()) == 0 {
			wait = min(wait, time.Second)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}
