package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// subscriptions are what the agent wants the broker to send. The ids are the
// same at every start, so that a restart finds them again.
func subscriptions(cfg *Config, follow *followed) []ngsild.Subscription {
	endpoint := ngsild.NotificationParams{Format: "normalized", Endpoint: ngsild.Endpoint{URI: cfg.NotificationURL, Accept: "application/json"}}
	components := ngsild.Subscription{
		ID: subscriptionID(cfg.AgentID, "components"), Type: "Subscription", Name: "hlo-agent " + cfg.AgentID + " components",
		// No watchedAttributes: with them Orion-LD does not tell of deletions.
		Entities: []ngsild.EntitySelector{{Type: typeComponent}}, Notification: endpoint,
	}
	if cfg.Homing == homingAuto {
		components.Entities = append(components.Entities, ngsild.EntitySelector{Type: typeRequirements})
	}
	linked := ngsild.Subscription{ID: subscriptionID(cfg.AgentID, "links"), Type: "Subscription", Name: "hlo-agent " + cfg.AgentID + " links", Notification: endpoint}
	for _, name := range follow.types() {
		linked.Entities = append(linked.Entities, ngsild.EntitySelector{Type: name})
	}
	linked.WatchedAttributes = follow.attributes()
	linked.Notification.Attributes = linked.WatchedAttributes
	return []ngsild.Subscription{components, linked}
}

func subscriptionID(agent, name string) string {
	return "urn:ngsi-ld:Subscription:hlo-agent:" + agent + ":" + name
}

// proofSubscription is the one whose presence shows that the broker is ours.
func (r *reconciler) proofSubscription() string {
	return subscriptionID(r.cfg.AgentID, "components")
}

// notified takes in a notification after it was answered.
func (s *service) notified(n ngsild.Notification) {
	at := n.NotifiedAt
	if at.IsZero() {
		at = s.now()
	} else {
		s.tracker.broker.heard(at, s.now())
	}
	for _, e := range n.Entities {
		switch {
		case e.Type == typeComponent:
			if s.tracker.notified(e, at) {
				s.traceNotified(&e, at)
				s.queue.Add(e.ID)
			}
		case e.Type == typeRequirements && s.homer != nil:
			s.homer.required(e.ID)
		case e.Type == typeElement && s.homer != nil:
			was, _ := s.links.cached(e.ID)
			s.enqueue(s.links.put(e, at))
			if is, _ := s.links.cached(e.ID); was == nil || is == nil || !sameAttributes(was, is) {
				s.homer.elementChanged()
			}
		case s.links.follows(e.Type):
			s.enqueue(s.links.put(e, at))
			if e.Type == typeDomain {
				s.wantResync() // who handles a service may be another one now, and only a list says which there are
			}
		}
	}
	if len(n.Errors) > 0 {
		s.log.Warn("a notification held entities that cannot be read", "subscription", n.SubscriptionID, "err", errors.Join(n.Errors...))
		s.wantResync()
	}
}

// wantResync asks for a resync soon; several wishes are one.
func (s *service) wantResync() {
	select {
	case s.ask <- struct{}{}:
	default:
	}
}

// listFirst waits until the broker was read once, and a while for the clusters,
// and says whether that happened before ctx ended.
func (s *service) listFirst(ctx context.Context) bool {
	if !s.clusters.await(ctx, listPatience) && ctx.Err() != nil {
		return false
	}
	for wait, said := 200*time.Millisecond, false; ; wait = min(2*wait, 15*time.Second) {
		s.checkSubscriptions(ctx)
		err := s.resyncOnce(ctx)
		if err == nil || errors.Is(err, ngsild.ErrShortList) {
			return true
		}
		if !said && ctx.Err() == nil {
			s.log.Warn("the broker cannot be read yet, will ask again", "err", err)
			said = true
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
	}
}

// keepTrue checks the subscriptions and resyncs until ctx ends. What is due at one
// time is done in a fixed order, so that the same events give the same course.
func (s *service) keepTrue(ctx context.Context) error {
	check := s.now().Add(s.cfg.SubscriptionCheckInterval)
	wanted, notBefore := false, time.Time{} // of the next resync
	var whole time.Time                     // when a whole list is tried for again; zero: the last one was whole
	short := retryAfter                     // how long after a list that was not
	for {
		wishes := s.ask
		if wanted {
			wishes = nil // one more changes nothing
		}
		timer := time.NewTimer(s.untilDue(check, wanted, notBefore, whole))
		select {
		case <-timer.C:
		case <-s.relook:
			check, wanted = s.now(), true
		case <-wishes:
			wanted = true
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
		if now := s.now(); !now.Before(check) {
			check = now.Add(s.cfg.SubscriptionCheckInterval)
			wanted = s.checkSubscriptions(ctx) || wanted
		}
		if now := s.now(); now.Before(notBefore) || !wanted && now.Before(s.nextResync(whole)) {
			continue
		}
		wanted, notBefore, whole = false, time.Time{}, time.Time{}
		began := s.now()
		switch err := s.resyncOnce(ctx); {
		case err == nil:
			short = retryAfter
		case ctx.Err() != nil:
		case errors.Is(err, ngsild.ErrShortList): // what it held was looked at
			short = min(max(short, 4*s.now().Sub(began)), s.cfg.ResyncInterval)
			s.log.Info("the list was not whole, so nothing is held for gone by it", "err", err, "again", short)
			notBefore, whole = s.now().Add(min(retryAfter, s.cfg.DegradedResyncInterval)), s.now().Add(short)
			short *= 2
		default:
			s.log.Warn("resync did not complete, will try again", "err", err)
			wanted, notBefore = true, s.now().Add(min(retryAfter, s.cfg.DegradedResyncInterval))
		}
	}
}

// retryAfter is how long after a resync that failed the next one comes. After one whose
// list was not whole it is twice as long each time, and four times what the resync took at
// least: while entities come and go, no list of many pages is whole.
const retryAfter = 5 * time.Second

// untilDue is how long nothing is to be done, unless a resync is asked for.
func (s *service) untilDue(check time.Time, wanted bool, notBefore, whole time.Time) time.Duration {
	now := s.now()
	resync := s.nextResync(whole)
	if wanted {
		resync = now
	}
	if resync.Before(notBefore) {
		resync = notBefore
	}
	return min(check.Sub(now), resync.Sub(now))
}

// nextResync is when everything is listed again though nobody asks for it: in its time,
// or when a whole list is tried for again.
func (s *service) nextResync(whole time.Time) time.Time {
	due := s.cfg.ResyncInterval
	if s.degraded.Load() {
		due = min(due, s.cfg.DegradedResyncInterval)
	}
	next := s.health.lastResync().Add(due)
	if !whole.IsZero() && whole.Before(next) {
		return whole
	}
	return next
}

func (s *service) resyncOnce(ctx context.Context) error {
	select {
	case <-s.ask: // what was missing until now is found
	default:
	}
	subscribed := s.subscribed.Load()
	err := s.resync(ctx)
	s.metrics.resyncs.WithLabelValues(outcome(err)).Inc()
	if err != nil {
		s.health.set("resync", err.Error())
		if !errors.Is(err, ngsild.ErrShortList) {
			return err
		}
	} else {
		s.health.set("resync", "ok")
		s.links.widened(subscribed)
	}
	s.health.update(func(h *health) { h.resynced = s.now() })
	return err
}

// checkSubscriptions repairs what is wrong and says whether everything must be
// listed, because notifications were lost or never sent.
func (s *service) checkSubscriptions(ctx context.Context) (list bool) {
	if s.cfg.DryRun {
		return false
	}
	want := s.rules().followed
	s.keeper.Want(subscriptions(&s.cfg, want))
	report, err := s.keeper.Check(ctx)
	if ctx.Err() != nil {
		return false
	}
	how := "ok"
	for _, d := range report.Details {
		ok := 0.0
		switch d.State {
		case "active", "created", "repaired":
			ok = 1
		default:
			how = d.ID + " is " + d.State + ": " + d.Reason
		}
		if d.State == "created" || d.State == "repaired" {
			s.metrics.repairs.Inc()
		}
		s.metrics.subscriptionOK.WithLabelValues(lastPart(d.ID)).Set(ok)
	}
	if err != nil {
		how = err.Error()
		if !s.degraded.Load() {
			s.log.Warn("the subscriptions cannot be kept true for now", "err", err)
		}
	} else if s.degraded.Load() && report.Healthy {
		s.log.Info("the subscriptions are true again")
	}
	if err == nil && report.Healthy {
		s.subscribed.Store(want)
	}
	s.degraded.Store(err != nil || !report.Healthy)
	s.health.set("broker", how)
	return report.Changed
}

func lastPart(id string) string { return id[strings.LastIndexByte(id, ':')+1:] }

func (s *service) keeperConfig() ngsild.KeeperConfig {
	return ngsild.KeeperConfig{
		Client: s.client, Want: subscriptions(&s.cfg, s.rules().followed), Clock: s.now, Rand: s.rand, Log: s.log,
		Secret: func(context.Context) (string, error) {
			secret, err := s.cfg.secret()
			if s.room != nil {
				secret = secretFor(s.room.tenant.name, secret)
			}
			return secret, err
		},
	}
}

// secretReload has the subscriptions looked at when the file with their secret
// changes; the keeper reads it then.
func (s *service) secretReload() []*reload {
	if s.cfg.NotificationSecretFile == "" || s.cfg.DryRun {
		return nil
	}
	look := func(context.Context) (string, func(context.Context) error) {
		secret, err := s.cfg.secret()
		if err != nil {
			return failed(err)
		}
		sum := sha256.Sum256([]byte(secret))
		return hex.EncodeToString(sum[:]), func(context.Context) error {
			select {
			case s.relook <- struct{}{}:
			default:
			}
			return nil
		}
	}
	digest, _ := look(context.Background())
	return []*reload{{what: "notification_secret", look: look, used: digest, seen: digest}}
}

func (s *service) receiverConfig() ngsild.ReceiverConfig {
	known := map[string]bool{}
	for _, sub := range subscriptions(&s.cfg, s.rules().followed) {
		known[sub.ID] = true
	}
	cfg := ngsild.ReceiverConfig{
		Secret: s.keeper.Secrets, MaxBytes: s.cfg.NotificationMaxBytes,
		Reread: func(ctx context.Context) {
			if err := s.keeper.Reread(ctx); err != nil {
				s.log.Debug("the secrets of the subscriptions cannot be read", "err", err)
			}
		},
		Known: func(id string) bool { return known[id] }, Sink: s.notified,
		Unreadable: func(reason string) {
			s.log.Warn("a notification could not be read, listing instead", "reason", reason)
			s.wantResync()
		},
		Count: func(result string) { s.metrics.notifications.WithLabelValues(result).Inc() },
	}
	if s.lead.elects {
		s.alsoFollow(&cfg)
	}
	return cfg
}
