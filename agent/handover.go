package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/allocation/peer"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// assertAgain is how often a domain is told again of what it runs for us, in
// case it lost it.
const assertAgain = time.Hour

// refusalAgain is after how long a domain that refused is asked again.
const refusalAgain = 5 * time.Minute

// neighbours are the other domains that run components for us, and what each
// was asked for. Which domain was asked, for which element and since when is
// recorded; after a start everything is asked for again, which changes nothing
// where it is there. Passes consult it and never wait. Safe for concurrent use.
type neighbours struct {
	client *peer.Client
	again  func(ngsild.EntityID) // has a component's pass run,
	look   func(ngsild.EntityID) // after the broker was read
	count  func(result string)
	moved  func(component ngsild.EntityID, from, to string) // tells that a move to another domain was accepted there
	now    func() time.Time
	log    *slog.Logger

	mu     sync.Mutex
	ctx    context.Context // of run; nil before it
	lanes  map[ngsild.EntityID]*lane
	copies map[ngsild.EntityID]map[ngsild.EntityID]*copied // by component and domain
	group  sync.WaitGroup
	// left holds the element that a component came from and where it is known to be no more.
	left map[ngsild.EntityID]string

	saving  sync.Mutex // before mu; one record is written at a time
	broker  handOverBroker
	agent   string
	records map[ngsild.EntityID]string // as the broker has them; nil: not read yet
	crossed map[ngsild.EntityID]bool   // those written while they are listed; nil: they are not
}

// copied is a component in another domain, as far as we had a hand in it.
type copied struct {
	domain, service ngsild.EntityID
	url             string                 // of the domain
	want            *allocation.Allocation // nil: it is to go,
	moved           bool                   // since it runs elsewhere
	print           string                 // of want
	element         ngsild.EntityID        // of want; stays when it is to go
	from            ngsild.EntityID        // the element that a move to it began at, until it has arrived
	since           time.Time              // when that element was asked for first

	order string // the start that was ordered last
	done  string // print of what was accepted last; goneThere when it is known not to be there
	at    time.Time
	err   error  // why it was not
	told  bool   // err was written to the entity once
	aside string // uid of the object that the entity reported on before the domain was asked
	kept  bool   // it was asked for, and is recorded until it is known to be gone
}

// goneThere in copied.done says that the domain has the component no more.
const goneThere = "gone"

func newNeighbours(client *peer.Client, r *reconciler) *neighbours {
	return &neighbours{client: client, again: func(id ngsild.EntityID) { r.queue.Add(id) }, look: func(id ngsild.EntityID) {
		r.tracker.update(id, func(rec *record) { rec.doubt = true })
		r.queue.Add(id)
	}, now: r.now, log: r.log,
		count: func(result string) { r.metrics.handovers.WithLabelValues(result).Inc() },
		moved: r.tellHandedOver,
		left:  map[ngsild.EntityID]string{}, lanes: map[ngsild.EntityID]*lane{}, copies: map[ngsild.EntityID]map[ngsild.EntityID]*copied{}}
}

// run works on what is asked for until ctx ends.
func (n *neighbours) run(ctx context.Context) error {
	n.mu.Lock()
	n.ctx = ctx
	for _, l := range n.lanes {
		n.group.Go(func() { l.run(ctx) })
	}
	n.mu.Unlock()
	<-ctx.Done()
	n.mu.Lock()
	n.ctx = nil
	n.mu.Unlock()
	n.group.Wait()
	return nil
}

// lane of a domain. Caller holds mu.
func (n *neighbours) lane(domain ngsild.EntityID) *lane {
	l, ok := n.lanes[domain]
	if !ok {
		l = newLane(n.now,
			func(ctx context.Context, id ngsild.EntityID) error { return n.call(ctx, id, domain) },
			func(id ngsild.EntityID) { n.unreachable(id, domain) })
		n.lanes[domain] = l
		if ctx := n.ctx; ctx != nil {
			n.group.Go(func() { l.run(ctx) })
		}
	}
	return l
}

// ask has a domain run a component, if it was not asked for the same already,
// and returns how that stands. order is not empty while a start is ordered, and another
// one for another order, for which it is asked again.
func (n *neighbours) ask(domain ngsild.EntityID, url string, a allocation.Allocation, from ngsild.EntityID, reported, order string) copied {
	print := printOf(&a)
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.copyOf(a.Component, domain)
	old := c.done == print && n.now().Sub(c.at) > assertAgain
	anew := order != "" && c.order != order && c.done != ""
	if c.print == print && c.url == url && c.want != nil && !anew && !old {
		return *c
	}
	c.order = order
	delete(n.left, a.Component)
	if c.want == nil || c.element != a.Element {
		// Where it moves on within the domain, the object that is reported may be that domain's, and stay.
		if c.want == nil || n.reportedLater(a.Component, c, reported) {
			c.aside = reported
		}
		c.from, c.since = from, n.now()
	}
	c.service, c.url, c.want, c.print, c.element = a.Service, url, &a, print, a.Element
	c.done, c.err, c.told, c.kept = "", nil, false, true
	n.lane(domain).queue.Add(a.Component)
	return *c
}

// arrived notes that a component runs in a domain, from which it is taken back no more.
func (n *neighbours) arrived(component, domain ngsild.EntityID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.copies[component][domain]; c != nil && c.from != "" {
		c.from = ""
		n.lane(domain).queue.Add(component) // its record says so too
	}
}

// reportedLater says whether an object that is reported may be of a domain that was asked after c: it was
// not reported yet when that one was asked. Caller holds mu.
func (n *neighbours) reportedLater(component ngsild.EntityID, c *copied, uid string) bool {
	for _, o := range n.copies[component] {
		if o.since.After(c.since) && o.aside != uid {
			return true
		}
	}
	return false
}

// drop has a domain end a component, or only its copy of one that has moved, and returns how
// that stands.
func (n *neighbours) drop(domain ngsild.EntityID, url string, service, component ngsild.EntityID, moved bool) copied {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.copyOf(component, domain)
	if c.url == "" || url != "" {
		c.url = url
	}
	if c.want == nil && c.print == goneThere && c.moved == moved {
		return *c
	}
	c.service, c.want, c.moved, c.print, c.done, c.err, c.told = service, nil, moved, goneThere, "", nil, false
	n.lane(domain).queue.Add(component)
	return *c
}

// copyOf a component in a domain, a new one if nothing is known. Caller holds mu.
func (n *neighbours) copyOf(component, domain ngsild.EntityID) *copied {
	of, ok := n.copies[component]
	if !ok {
		of = map[ngsild.EntityID]*copied{}
		n.copies[component] = of
	}
	c, ok := of[domain]
	if !ok {
		c = &copied{domain: domain}
		of[domain] = c
	}
	return c
}

// asked is a domain's copy of a component, if it was asked for one.
func (n *neighbours) asked(component, domain ngsild.EntityID) (copied, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.copies[component][domain]
	if c == nil || c.want == nil {
		return copied{}, false
	}
	return *c, true
}

// of lists the copies of a component that may still be there, by domain, except one.
func (n *neighbours) of(component, except ngsild.EntityID) []copied {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []copied
	for domain, c := range n.copies[component] {
		if domain != except && c.done != goneThere {
			out = append(out, *c)
		}
	}
	slices.SortFunc(out, func(a, b copied) int { return compareID(a.domain, b.domain) })
	return out
}

// standing is the number of copies that other domains may hold and were not told to end.
func (n *neighbours) standing() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, of := range n.copies {
		for _, c := range of {
			if c.want != nil && c.done != goneThere {
				count++
			}
		}
	}
	return count
}

// forget ends what is known of a component: one domain's copy, or with "" all.
func (n *neighbours) forget(component, domain ngsild.EntityID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.left, component)
	delete(n.copies[component], domain)
	if domain == "" || len(n.copies[component]) == 0 {
		delete(n.copies, component)
	}
}

// saidOnce notes that why a copy could not be made was written to the entity.
func (n *neighbours) saidOnce(component, domain ngsild.EntityID, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.copies[component][domain]; c != nil && c.err != nil && c.err.Error() == err.Error() {
		c.told = true
	}
}

// leave notes that the domain of an element has a component no more.
func (n *neighbours) leave(component ngsild.EntityID, element string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left[component] = element
}

func (n *neighbours) hasLeft(component ngsild.EntityID, element string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return element == "" || n.left[component] == element
}

// takesBack says whether a component that is ordered to the element where a move began need not arrive: the domain
// of that element still has it. Else the note of a move that is over has just not gone yet, and this is the next move.
func (n *neighbours) takesBack(component, domain ngsild.EntityID, m move) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch c := n.copies[component][domain]; {
	case c == nil:
		return n.left[component] != m.from
	case c.want == nil:
		return false // it was told to end its copy, since the component runs where it went
	default:
		return string(c.element) != m.from || !c.since.After(m.at)
	}
}

// call makes one request to a domain. It returns an error when it is to be
// repeated.
func (n *neighbours) call(ctx context.Context, component, domain ngsild.EntityID) error {
	if err := n.record(ctx, component); err != nil {
		n.log.Warn("will try again", "entity", component, "err", err)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.lane(domain).queue.AddAfter(component, recordAgain)
		return nil
	}
	n.mu.Lock()
	c := n.copies[component][domain]
	if c == nil || c.done == c.print {
		n.mu.Unlock()
		return nil
	}
	task := *c
	n.mu.Unlock()
	if task.url == "" {
		return nil // asked again when the domain has one
	}
	var err error
	if task.want != nil {
		err = n.client.Allocate(ctx, task.url, task.want)
	} else if err = n.client.Deallocate(ctx, task.url, task.service, component, task.moved); errors.Is(err, peer.ErrAbsent) {
		n.count("absent")
		return n.finish(component, domain, task, errAbsentThere)
	}
	if errors.Is(err, errNotLeading) {
		return err // and nothing was learned of the domain
	}
	return n.finish(component, domain, task, err)
}

// errAbsentThere is the end of a removal where there was nothing.
var errAbsentThere = errors.New("the domain has no such component")

// finish takes in what came of a request, unless something else is asked for since.
func (n *neighbours) finish(component, domain ngsild.EntityID, task copied, err error) error {
	n.mu.Lock()
	c := n.copies[component][domain]
	if c == nil || c.print != task.print || (c.want == nil) != (task.want == nil) || c.want == nil && c.moved != task.moved {
		n.mu.Unlock()
		return nil // the queue holds it again
	}
	again := err
	switch {
	case err == nil, errors.Is(err, errAbsentThere):
		c.done, c.at, c.err, again = task.print, n.now(), err, nil
		if c.want == nil {
			n.lane(domain).queue.Add(component) // its record is to go
		}
	case errors.Is(err, peer.ErrBad):
		c.err, again = err, nil // until other input comes, or a while has passed: its reason may be the domain's own
		n.lane(domain).queue.AddAfter(component, refusalAgain)
	case errors.Is(err, peer.ErrOvertaken): // nothing is wrong: we have yet to hear of it
	case errors.Is(err, peer.ErrDenied):
		c.err = err
	default:
		c.err, again = err, errors.Join(errUnreachable, err)
	}
	if c.err == nil || task.err == nil || c.err.Error() != task.err.Error() {
		c.told = false
	}
	n.mu.Unlock()
	switch {
	case err == nil && task.want != nil:
		n.count("accepted")
		n.log.Info("handed over", "entity", component, "domain", domain, "element", task.element)
		if task.from != "" && task.from != task.element {
			n.moved(component, string(task.from), string(task.element)+" of "+string(domain))
		}
	case err == nil:
		n.count("removed")
		n.log.Info("removed from another domain", "entity", component, "domain", domain)
	case errors.Is(err, peer.ErrOvertaken):
		n.count("overtaken")
		n.log.Info("another domain knows that the component is placed anew", "entity", component, "domain", domain)
		n.look(component)
		return again
	case errors.Is(err, peer.ErrBad), errors.Is(err, peer.ErrDenied):
		n.count("refused")
		n.log.Warn("another domain refuses", "entity", component, "domain", domain, "err", err)
	case again != nil:
		n.count("unreachable")
	}
	n.again(component)
	return again
}

// unreachable notes for a component that its domain is not even asked now.
func (n *neighbours) unreachable(component, domain ngsild.EntityID) {
	n.mu.Lock()
	c := n.copies[component][domain]
	first := c != nil && c.err == nil && c.done != c.print
	if first {
		c.err = errors.Join(peer.ErrRetry, errUnreachable)
	}
	n.mu.Unlock()
	if first {
		n.again(component)
	}
}

// silent is the number of domains that do not answer now.
func (n *neighbours) silent() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, l := range n.lanes {
		if l.open() > 0 {
			count++
		}
	}
	return count
}

// printOf tells allocations apart, secrets included, without holding them.
func printOf(a *allocation.Allocation) string {
	body, err := a.Body()
	if err != nil {
		return "unwritable"
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
