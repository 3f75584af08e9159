package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/agent"
)

// In about one world of twelve, of those in which nobody chooses elements, one of the
// agents runs in two copies, which elect by a Lease who acts.
const (
	worldsWithCopies = 12
	copiesOfAnAgent  = 2
)

// arriveTime is what docs/reliability.md assumes: so long at most a process stands
// still between its look at the fence and the sending, and so long at most what was
// sent takes until it has an effect.
const arriveTime = 3 * time.Second

// drawCopies decides which agent has copies. It takes nothing from the stream of the
// driver, so that worlds without copies are what they would be if there were none.
func (w *world) drawCopies() {
	if d := w.dice.about("copies"); d.IntN(worldsWithCopies) == 0 && w.homed == nil {
		w.specs[d.IntN(len(w.specs))].copies = copiesOfAnAgent
	}
}

// hosts are where an agent runs: one for each copy.
func (s agentSpec) hosts() []string {
	if s.copies == 0 {
		return []string{s.name}
	}
	var out []string
	for i := range s.copies {
		out = append(out, fmt.Sprintf("%s-%d", s.name, i+1))
	}
	return out
}

// elected is the agent that has copies.
func (w *world) elected() (agentSpec, bool) {
	i := slices.IndexFunc(w.specs, func(s agentSpec) bool { return s.copies > 0 })
	if i < 0 {
		return agentSpec{}, false
	}
	return w.specs[i], true
}

// livesOf are the present lives of an agent's copies.
func (w *world) livesOf(s agentSpec) []*agentRun {
	var out []*agentRun
	for _, host := range s.hosts() {
		if a := w.agentOf(host); a != nil {
			out = append(out, a)
		}
	}
	return out
}

// leader is the copy that holds the Lease, or the one copy that there is; nil if it is
// down or there is none.
func (w *world) leader(s agentSpec) *agentRun {
	if s.copies == 0 {
		return w.agentOf(s.name)
	}
	holder := w.kube.holder(s.namespace, "hlo-agent-"+s.name)
	for _, a := range w.livesOf(s) {
		if strings.HasSuffix(holder, "://"+a.host+":8082") {
			return a
		}
	}
	return nil
}

// leads says whether a copy acts, as far as it tells operators so.
func (a *agentRun) leads() bool {
	if a.copies == 0 {
		return true
	}
	a.mu.Lock()
	h := a.ops
	a.mu.Unlock()
	if h == nil {
		return false
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+a.host+"/readyz", nil)
	if err != nil {
		panic(err)
	}
	r := newRecorder()
	h.ServeHTTP(r, req)
	return strings.Contains(string(r.body), `"leader": "this copy"`)
}

// route is the copy to which a Service sends a connection: one of those that answer.
// It is nil where none does.
func (w *world) route(name, about string) *agentRun {
	i := slices.IndexFunc(w.specs, func(s agentSpec) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	answering := slices.DeleteFunc(w.livesOf(w.specs[i]), func(a *agentRun) bool { return a.public() == nil })
	switch len(answering) {
	case 0:
		return nil
	case 1:
		return answering[0]
	}
	return pick(w.dice.about("route", name, about), answering)
}

// serveCopies is the effect of a request of one copy to another one.
func (w *world) serveCopies(req *http.Request) *http.Response {
	b := w.agentOf(req.URL.Hostname())
	if b == nil || b.awake(req.Context(), w.dice.about("awake", b.host)) != nil || b.public() == nil || b.apart("copies") {
		return nil
	}
	m, err := readLetter(req)
	if err != nil {
		return nil
	}
	heard, unread := b.leads(), b.unread.Load()
	r := handle(b.public(), req)
	if heard && r.StatusCode == http.StatusNoContent && b.unread.Load() == unread {
		w.arrived(b, m)
	}
	return r
}

// acts judges by whom something is written: of several copies never two act.
func (w *world) acts(a *agentRun, what string) {
	b := w.book
	b.mu.Lock()
	defer b.mu.Unlock()
	lives := b.acted[a.name]
	switch at := slices.Index(lives, a.life); {
	case at < 0:
		b.acted[a.name] = append(lives, a.life)
		if a.copies > 0 {
			w.note(a.host, "acts from now on")
		}
	case at < len(lives)-1:
		w.violated("%s writes, and life %d of agent %s has written since: %s", a.host, lives[len(lives)-1], a.name, what)
	}
}

// leased judges who writes the Lease: nobody but its holder does before it has run out,
// counted from when the holder began to write it, as the holder does. Less a second, since
// client-go's copies see two renewals within one as one.
func (w *world) leased(who, from, to string, until time.Time) {
	b := w.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if to != "" {
		b.holders[to] = who
	}
	if left := time.Until(until.Add(-time.Second)); from != "" && b.holders[from] != who && left > 0 {
		w.violated("%s makes %q of the Lease of %s, which could be renewed for %v more", who, to, b.holders[from], left)
	}
}

// acting is the life of an agent that has written last. It needs the lock.
func (b *book) acting(name string) int {
	lives := b.acted[name]
	if len(lives) == 0 {
		return 0
	}
	return lives[len(lives)-1]
}

func (a *agentRun) killed() bool {
	select {
	case <-a.dead:
		return true
	default:
		return false
	}
}

// over hears how a life ended. Who lost its lead is started anew, as the kubelet does.
func (w *world) over(a *agentRun, err error) {
	switch lost := a.copies > 0 && errors.Is(err, agent.ErrLeadLost); {
	case lost && a.killed():
	case lost:
		w.note(a.host, "has lost its lead, and ends")
		w.kube.cut(func(s *watcher) bool { return s.agent == a })
		w.forgetAgent(a)
		time.AfterFunc(max(0, time.Until(a.stillUntil()))+between(w.dice.about("anew", a.host), time.Millisecond, 5*time.Second), func() { w.start(a.agentSpec, a.host) })
	case err != nil:
		w.violated("agent %s ended with %v", a.host, err)
	}
}

// What may befall one copy.

// apart says whether a copy is cut off from the broker, the API server (kube) or the
// Leases in it, or the other copies.
func (a *agentRun) apart(from string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.cutOff[from])
}

func (a *agentRun) stillUntil() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.still
}

// awake waits while a copy stands still, and a moment of its own more, so that not all
// that it does after that happens at one instant. That ctx ends it notices after that,
// as a process does whose timers stand still too.
func (a *agentRun) awake(ctx context.Context, d *rand.Rand) error {
	stood := false
	for still := time.Until(a.stillUntil()); still > 0; still = time.Until(a.stillUntil()) {
		stood = true
		timer := time.NewTimer(still + between(d, 200*time.Microsecond, 4*time.Millisecond))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-a.dead:
			return errReset
		}
	}
	if stood {
		return ctx.Err()
	}
	return nil
}
