package llo

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// pauses lie between two attempts: first, then twice as long each time up to
// longest, or up to listed where the list was had and only the watch broke. After
// an attempt that held for longer than longest it begins anew.
type pauses struct{ first, listed, longest time.Duration }

func defaultPauses() pauses {
	return pauses{500 * time.Millisecond, 2 * time.Second, 10 * time.Second}
}

// after is the pause after an attempt that came after the pause last (0: none).
func (p pauses) after(last, lasted time.Duration, err error) time.Duration {
	switch {
	case last == 0, lasted > p.longest:
		return p.first
	case err == nil:
		return min(2*last, p.listed)
	}
	return min(2*last, p.longest)
}

// sureAbsent: that many answers in a row without the kind mean that its objects
// are gone, too.
const sureAbsent = 2

// follower keeps one store true: one kind in one namespace, or in all.
type follower struct {
	kind      *kind
	namespace string // empty: all
	store     *store
	streams   sync.WaitGroup // the open watches
	wanted    atomic.Bool    // false: only until nothing of ours is in it
	stop      func()         // ends run; nil before it; guarded by Cluster.following

	mu     sync.Mutex
	listed bool
	failed int    // attempts in a row
	err    error  // why it is not followed now; nil once listed
	cut    func() // ends the attempt under way; nil while there is none
}

func newFollower(k *kind, namespace string) *follower {
	f := &follower{kind: k, namespace: namespace}
	f.err = f.unlisted()
	f.store = newStore(f.changed, f.follows)
	return f
}

func (f *follower) unlisted() error {
	return &Error{Verb: "list", Key: f.key(), Err: ErrRetry, Message: "not listed yet"}
}

func (f *follower) changed(entity string) {
	f.kind.cluster.changed(entity)
	if !f.wanted.Load() {
		f.kind.cluster.sweep()
	}
}

// end ends run soon.
func (f *follower) end() {
	if f.stop != nil {
		f.stop()
	}
}

// renew makes f list once more, and counts it as not listed until it has.
func (f *follower) renew() {
	f.mu.Lock()
	f.listed, f.err = false, f.unlisted()
	f.mu.Unlock()
	f.again()
}

// again ends the attempt under way; the next one begins with a list.
func (f *follower) again() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cut != nil {
		f.cut()
	}
}

func (f *follower) key() Key { return Key{GVK: f.kind.gvk, Namespace: f.namespace} }

// run lists and watches until ctx ends. client-go's Reflector does the work: it
// streams the list where the server can, resumes a watch that was cut, and lists
// again where it cannot be resumed.
func (f *follower) run(ctx context.Context) {
	defer f.streams.Wait()
	logger := logr.FromSlogHandler(f.kind.cluster.log.Handler())
	ctx = klog.NewContext(ctx, logger)
	reflector := f.reflector(logger)
	absent := 0 // how often in a row the kind was not there
	for pause := time.Duration(0); ; {
		began := time.Now()
		cut, err := f.attempt(ctx, reflector)
		if ctx.Err() != nil {
			return
		}
		if cut {
			reflector = f.reflector(logger) // what was listed may not be what is asked for now
			continue
		}
		if err != nil {
			f.note(err)
		}
		if err != nil && !f.wanted.Load() {
			f.kind.cluster.sweep()
		}
		if absent++; !errors.Is(err, ErrNoKind) {
			absent = 0
		}
		if absent == sureAbsent {
			f.store.clear()
			reflector = f.reflector(logger) // forgets the version it had come to
		}
		pause = f.kind.cluster.pauses.after(pause, time.Since(began), err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (f *follower) reflector(logger klog.Logger) *cache.Reflector {
	source := &cache.ListWatch{ListWithContextFunc: f.list, WatchFuncWithContext: f.watch}
	return cache.NewReflectorWithOptions(source, nil, f.store, cache.ReflectorOptions{
		Logger: &logger, Name: f.key().String(), TypeDescription: f.key().String(),
	})
}

// attempt ends when the watch cannot go on without a new list, or was cut.
func (f *follower) attempt(ctx context.Context, reflector *cache.Reflector) (cut bool, err error) {
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	f.mu.Lock()
	f.cut = cancel
	f.mu.Unlock()
	err = f.listAndWatch(attempt, reflector)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = nil
	return attempt.Err() != nil, err
}

func (f *follower) listAndWatch(ctx context.Context, reflector *cache.Reflector) error {
	r, err := f.kind.find(ctx)
	if err != nil {
		return err
	}
	if !r.namespaced && f != f.kind.all()[0] {
		f.follows() // the first sees them all
		<-ctx.Done()
		return nil
	}
	if err = reflector.ListAndWatchWithContext(ctx); err == nil {
		return nil
	}
	if apierrors.IsNotFound(err) {
		f.kind.keep(nil)
	}
	return classify("list", f.key(), err, false, nil)
}

// follows is called when the store has become true.
func (f *follower) follows() {
	f.mu.Lock()
	first := !f.listed
	if f.err != nil {
		f.kind.cluster.log.Info("following", "kind", f.kind.gvk.Kind, "namespace", f.namespace)
	}
	f.listed, f.err, f.failed = true, nil, 0
	f.mu.Unlock()
	if first {
		f.kind.cluster.sweep() // it may have taken the place of another
	}
}

// note keeps why the kind is not followed and logs it when it is something new.
func (f *follower) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil || !alike(f.err, err) {
		f.kind.cluster.log.Warn("not following", "kind", f.kind.gvk.Kind, "namespace", f.namespace, "err", err)
	}
	f.err = err
	f.failed++
}

// givenUp is how many attempts there are to list what is not wanted.
const givenUp = 5

// hopeless says whether it makes no sense to try any more to list what is not
// wanted.
func (f *follower) hopeless() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.listed && f.failed >= givenUp
}

// alike compares what errors say, numbers left out: ports differ at every attempt.
func alike(a, b error) bool {
	text := func(err error) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return -1
			}
			return r
		}, err.Error())
	}
	return text(a) == text(b)
}

func (f *follower) state() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *follower) settled() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listed || errors.Is(f.err, ErrNoKind)
}
