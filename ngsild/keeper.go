package ngsild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

// SecretHeader is the header of every notification that carries the webhook
// secret. It is no standard one: Orion-LD puts the Authorization of whoever
// made the change before ours.
const SecretHeader = "X-Hlo-Agent-Secret"

// KeeperConfig says which subscriptions one agent wants.
type KeeperConfig struct {
	Client *Client
	// Want holds the subscriptions under ids that no other agent uses. The
	// keeper adds the secret to each.
	Want []Subscription
	// Secret returns the configured secret, "" if there is none: then the one in
	// our existing subscription is used, else a new one. It is called at every
	// check, so a secret may change. nil is none.
	Secret func(ctx context.Context) (string, error)
	Clock  func() time.Time // nil is time.Now
	Rand   io.Reader        // nil is crypto/rand
	Log    *slog.Logger     // one line per repair; nil is silence
}

// Keeper keeps the subscriptions of one agent true. It is safe for concurrent
// use; checks run one at a time.
type Keeper struct {
	cfg     KeeperConfig
	secrets atomic.Pointer[[]string]

	mu      turn // guards the fields below
	current string
	heldAt  map[string]time.Time // when Reread last found a secret in a subscription
	owed    bool                 // a change that no check without error has reported yet
	watches map[string]*watch
}

// Report is the outcome of a check.
type Report struct {
	// Changed: list everything now, because notifications were lost or never
	// sent. Set after every creation, repair or re-activation and once per
	// failure that the broker counts.
	Changed bool
	// Healthy: every subscription is as it should be, and none had to be
	// repaired again and again.
	Healthy bool
	Details []Detail // in the order of Want
}

// Detail is the state of one subscription.
type Detail struct {
	ID string
	// State is "active", "failing" (active, its last notification failed),
	// "created", "repaired", "waiting" (wrong; repaired again later), "refused"
	// (the broker will not have it) or "unknown" (no answer).
	State           string
	Reason          string // what was wrong
	TimesSent       int64
	TimesFailed     int64
	LastFailure     string // as the broker writes times; empty if none
	LastErrorReason string
}

// NewKeeper returns a keeper; nothing is sent yet.
func NewKeeper(cfg KeeperConfig) *Keeper {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{mu: make(turn, 1), cfg: cfg, watches: map[string]*watch{}, heldAt: map[string]time.Time{}}
	for _, want := range cfg.Want {
		k.watches[want.ID] = &watch{}
	}
	return k
}

// Want changes what the subscriptions are to be; the next check makes them so.
// The ids must be those that the keeper was made with. It waits for a check that
// is under way.
func (k *Keeper) Want(want []Subscription) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cfg.Want = want
}

// Secrets returns the secrets that a notification may carry: the current one,
// and while subscriptions still hold an older one, that too. It is empty before
// the first check, and without a configured secret until one reached the broker.
// It does not block.
func (k *Keeper) Secrets() []string {
	if secrets := k.secrets.Load(); secrets != nil {
		return *secrets
	}
	return nil
}

// Check compares every subscription with what is wanted, never `q`, which
// Orion-LD distorts, and creates, patches, re-activates or makes anew what
// differs. The report counts beside an error as well; what is Changed in it is
// reported once more by the next check without one.
func (k *Keeper) Check(ctx context.Context) (Report, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, err := k.prepare(ctx)
	report := Report{Healthy: err == nil, Details: make([]Detail, len(k.cfg.Want))}
	for i, want := range k.cfg.Want {
		report.Details[i] = Detail{ID: want.ID, State: "unknown"}
	}
	if err != nil {
		return report, err
	}
	var errs []error
	for i := range k.cfg.Want {
		detail, changed, err := k.keep(ctx, k.wanted(i), found[i])
		report.Details[i] = detail
		report.Changed = report.Changed || changed
		report.Healthy = report.Healthy && err == nil && k.watches[detail.ID].trusted(detail)
		errs = append(errs, err)
	}
	k.forgetOldSecrets(report)
	err = errors.Join(errs...)
	if report.Changed || k.owed {
		report.Changed, k.owed = true, err != nil
	}
	return report, err
}

// prepare finds out what is there and which secret it must carry.
func (k *Keeper) prepare(ctx context.Context) ([]*Subscription, error) {
	if err := k.configureSecret(ctx); err != nil {
		return nil, err
	}
	found, err := k.read(ctx)
	if err != nil {
		return nil, err
	}
	return found, k.settleSecret(found)
}

// read gets every subscription; nil where the broker has none.
func (k *Keeper) read(ctx context.Context) ([]*Subscription, error) {
	found := make([]*Subscription, len(k.cfg.Want))
	for i, want := range k.cfg.Want {
		got, err := k.cfg.Client.Subscription(ctx, want.ID)
		switch {
		case err == nil:
			found[i] = &got
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
	}
	return found, nil
}

// wanted returns the subscription with the secret in it.
func (k *Keeper) wanted(i int) Subscription {
	want := k.cfg.Want[i]
	headers := []KeyValue{{SecretHeader, k.current}}
	want.Notification.Endpoint.ReceiverInfo = append(headers, want.Notification.Endpoint.ReceiverInfo...)
	return want
}

// keep makes one subscription true.
func (k *Keeper) keep(ctx context.Context, want Subscription, got *Subscription) (Detail, bool, error) {
	w, now := k.watches[want.ID], k.cfg.Clock()
	failed := w.failed(got)
	fix := compare(want, got)
	if fix.action == actionNone {
		w.right(got, now)
		return detailOf(*got, stateOf(*got), ""), failed, nil
	}
	if !w.due(fix.reason, now) {
		return detailOf(orEmpty(got, want), "waiting", fix.reason), failed, nil
	}
	if err := k.repair(ctx, want, fix); err != nil {
		state := "unknown"
		if errors.Is(err, ErrInvalid) {
			state = "refused"
			w.attempted(fix.reason, true, got, now)
		}
		return detailOf(orEmpty(got, want), state, fix.reason), failed, fmt.Errorf("repair subscription (%s): %w", fix.reason, err)
	}
	k.cfg.Log.Info("subscription repaired", "subscription", want.ID, "action", string(fix.action), "reason", fix.reason)
	w.attempted(fix.reason, false, got, now)
	if fix.action != actionPatch {
		w.startAnew()
	}
	state := "repaired"
	if got == nil {
		state = "created"
	}
	return detailOf(orEmpty(got, want), state, fix.reason), true, nil
}

// repair carries out what compare found, and falls back on making the
// subscription anew where a patch is refused or has no effect.
func (k *Keeper) repair(ctx context.Context, want Subscription, fix fix) error {
	client := k.cfg.Client
	if fix.action == actionCreate {
		err := client.CreateSubscription(ctx, want)
		var problem *ProblemError
		if !errors.As(err, &problem) || problem.Status != 409 {
			return err
		}
		// Somebody made it since we looked, or its id is in use unseen.
		got, err := client.Subscription(ctx, want.ID)
		if err != nil {
			return err
		}
		if fix = compare(want, &got); fix.action == actionNone {
			return nil
		}
	}
	if fix.action == actionPatch {
		err := client.PatchSubscription(ctx, want.ID, fix.patch)
		if err != nil && !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrNotFound) {
			return err
		}
		got, err := client.Subscription(ctx, want.ID)
		if err == nil && compare(want, &got).action == actionNone {
			return nil
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	if err := client.DeleteSubscription(ctx, want.ID); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return client.CreateSubscription(ctx, want)
}

// Delete removes the subscriptions from the broker. The webhook must go on
// answering for 5 s after it, or Orion-LD may crash.
func (k *Keeper) Delete(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, want := range k.cfg.Want {
		if err := k.cfg.Client.DeleteSubscription(ctx, want.ID); err != nil && !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func orEmpty(got *Subscription, want Subscription) Subscription {
	if got != nil {
		return *got
	}
	return Subscription{ID: want.ID}
}

func stateOf(s Subscription) string {
	if s.Notification.Status == "failed" {
		return "failing"
	}
	return "active"
}

func detailOf(s Subscription, state, reason string) Detail {
	n := s.Notification
	return Detail{
		ID: s.ID, State: state, Reason: reason, TimesSent: n.TimesSent, TimesFailed: n.TimesFailed,
		LastFailure: n.LastFailure, LastErrorReason: clean(n.LastErrorReason),
	}
}

// turn is a lock that may be held over requests: whoever waits for it waits at a
// channel. It holds one while it is taken.
type turn chan struct{}

func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }

// TryLock takes the lock if nobody has it.
func (t turn) TryLock() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}
