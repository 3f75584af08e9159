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
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

// Times of the Lease. After a crash others wait for leaseTime, and no longer than one
// and a fifth of leaseRetry more until they look. Who leads stops after leaseTrust
// without a renewal; what is left of leaseTime is arriveTime, and a second, since
// client-go's copies see two renewals within one second as one.
const (
	leaseTime  = 10 * time.Second
	leaseTrust = leaseTime - arriveTime - time.Second
	leaseRetry = 500 * time.Millisecond
	leaseCall  = 3 * time.Second // one request
)

// lease is an Election by a Lease in the default cluster. It stands between client-go's
// elector and the Lease, so that a lead which is lost is never taken up again in the
// same life, and is given up only by Leave.
type lease struct {
	*resourcelock.LeaseLock
	log *slog.Logger

	mu      sync.Mutex
	heard   func(string)
	holder  string
	until   time.Time
	began   bool // this copy was elected
	over    bool // and is not the leader any more
	leaving bool
	clean   bool
	said    time.Time // when it was last logged that a request failed

	cancel context.CancelFunc
	done   chan struct{}
}

// newLease makes the election of the copies of an agent; nothing is sent yet.
func newLease(cfg *Config, self string, to *rest.Config, log *slog.Logger) (*lease, error) {
	to = rest.CopyConfig(to)
	to.Timeout = leaseCall
	to.ContentType, to.AcceptContentTypes = "application/json", "application/json"
	client, err := coordination.NewForConfig(to)
	if err != nil {
		return nil, fmt.Errorf("LEADER_ELECTION: %w", err)
	}
	return &lease{log: log, LeaseLock: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: cfg.Namespace, Name: leaseName(cfg.AgentID)},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: self},
	}}, nil
}

var dotted = regexp.MustCompile(`[.-]*\.[.-]*`)

// leaseName is another one for each AGENT_ID, and a name that a Lease can have.
func leaseName(agent string) string {
	name := strings.ReplaceAll(strings.ToLower(agent), "_", "-")
	if name = dotted.ReplaceAllString(name, "."); name != agent {
		sum := sha256.Sum256([]byte(agent))
		name += "-" + hex.EncodeToString(sum[:4])
	}
	return "hlo-agent-" + name
}

// selfName is what a copy calls itself in the Lease: another name in each life, and
// where others reach its public face.
func selfName(cfg *Config, rand io.Reader) (string, error) {
	var life [4]byte
	if _, err := io.ReadFull(rand, life[:]); err != nil {
		return "", fmt.Errorf("LEADER_ELECTION: %w", err)
	}
	machine, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("LEADER_ELECTION: %w", err)
	}
	host, port, err := net.SplitHostPort(cfg.ListenAddr)
	if err != nil {
		return "", fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	scheme := "http"
	if cfg.TLSCertFile != "" {
		scheme = "https"
	}
	return fmt.Sprintf("%s_%x@%s://%s", machine, life, scheme, net.JoinHostPort(cmp.Or(cfg.PodIP, host, machine), port)), nil
}

// Campaign implements Election.
func (l *lease) Campaign(ctx context.Context, heard func(string)) error {
	elected := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: l, LeaseDuration: leaseTime, RenewDeadline: leaseTrust, RetryPeriod: leaseRetry, ReleaseOnCancel: true, Name: l.Describe(),
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { close(elected) }, OnStoppedLeading: func() {}},
	})
	if err != nil {
		return fmt.Errorf("LEADER_ELECTION: %w", err)
	}
	running, cancel := context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), logr.Discard()))
	l.mu.Lock()
	l.heard, l.cancel, l.done = heard, cancel, make(chan struct{})
	l.mu.Unlock()
	go func() {
		defer close(l.done)
		elector.Run(running)
	}()
	select {
	case <-elected:
		return nil
	case <-ctx.Done():
		l.Leave(true) // elected or not, nothing was done
		return ctx.Err()
	}
}

// Until implements Election.
func (l *lease) Until() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until
}

// Leave implements Election.
func (l *lease) Leave(clean bool) {
	l.mu.Lock()
	l.leaving, l.clean = true, clean
	cancel, done := l.cancel, l.done
	l.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

var (
	errLeaseOver = errors.New("another copy may have been elected since")
	errLeaseKept = errors.New("the lead is not given up before it runs out")
)

// Get implements resourcelock.Interface.
func (l *lease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	l.mu.Lock()
	kept := l.leaving && !l.clean
	l.mu.Unlock()
	if kept {
		return nil, nil, errLeaseKept // a release begins with it
	}
	record, raw, err := l.LeaseLock.Get(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.went(err)
	switch {
	case err == nil:
		l.learn(record.HolderIdentity)
		l.over = l.over || l.began && record.HolderIdentity != l.Identity()
	case apierrors.IsNotFound(err):
		l.over = l.over || l.began // whoever deletes it lets others in
	}
	if l.over {
		l.until = time.Time{}
	}
	return record, raw, err
}

// Create implements resourcelock.Interface.
func (l *lease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.put(ctx, record, l.LeaseLock.Create)
}

// Update implements resourcelock.Interface.
func (l *lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.put(ctx, record, l.LeaseLock.Update)
}

// put writes the Lease, and counts from the moment at which that began. The Lease says that
// moment too: others see by it alone that it was renewed, and what client-go puts there is
// older by all that it has tried before.
func (l *lease) put(ctx context.Context, record resourcelock.LeaderElectionRecord, write func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	l.mu.Lock()
	l.over = l.over || l.began && !notYet(l.until) // also if nobody took it: the loop has stopped
	over, release := l.over, record.HolderIdentity == ""
	others := l.holder != l.Identity() // as was just read: client-go releases by what it knew before
	kept := release && !(l.leaving && l.clean) || !release && l.leaving
	l.mu.Unlock()
	switch {
	case over && !release, release && others:
		return errLeaseOver
	case kept:
		return errLeaseKept
	}
	began := time.Now()
	record.RenewTime = metav1.NewTime(began)
	err := write(ctx, record)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.went(err)
	if err == nil {
		l.learn(record.HolderIdentity)
	}
	if err == nil && !release {
		l.began, l.until = true, began.Add(leaseTrust)
	}
	return err
}

// learn tells who leads. It needs the lock.
func (l *lease) learn(holder string) {
	if holder == l.holder {
		return
	}
	l.holder = holder
	name, address := nameAndAddress(holder)
	switch holder {
	case "":
		l.log.Info("no copy leads", "lease", l.Describe())
	case l.Identity():
		l.log.Info("this copy leads", "lease", l.Describe(), "copy", name)
	default:
		l.log.Info("another copy leads", "lease", l.Describe(), "copy", name, "address", address)
	}
	l.heard(holder)
}

// went notes how a request went; failures are logged once a minute. It needs the lock.
func (l *lease) went(err error) {
	ordinary := err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || l.leaving
	if !ordinary && time.Since(l.said) > time.Minute {
		l.said = time.Now()
		l.log.Warn("the lease cannot be read or written for now", "lease", l.Describe(), "err", err)
	}
}
