package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// originAllocation marks objects that were asked for by others. What was asked
// is written on the object itself, which is the only record of it.
const originAllocation = "hlo_al"

// desk is where others' requests for components stand while they are carried
// out. One request at a time for each component is worked on, in the order in
// which they came, so that what comes last stays. Safe for concurrent use.
type desk struct {
	mu      sync.Mutex
	closed  bool
	lines   map[ngsild.EntityID][]chan struct{} // who waits for a component; the first is being served
	errands map[ngsild.EntityID]*errand
	kept    map[ngsild.EntityID]*keptAllocation
	first   map[ngsild.EntityID]ngsild.EntityID // where the entity was placed when it was asked for
}

// errand is something that was asked for and is not done yet. The loop's passes
// carry it out; done gets one answer at most.
type errand struct {
	want   allocation.Allocation
	remove bool
	placed bool // it is asked for because of where the entity is placed: on want's element or, for a removal, on none of ours
	quiet  bool // nothing is to be said of it in the broker
	done   chan error
}

// keptAllocation is what was asked for of a component that is there, read from
// its object once, and how it stood when it was last looked at.
type keptAllocation struct {
	allocation.Allocation
	state  allocation.State
	placed string // the digest of that as which its entity was seen placed
}

func newDesk() *desk {
	return &desk{lines: map[ngsild.EntityID][]chan struct{}{}, errands: map[ngsild.EntityID]*errand{}, kept: map[ngsild.EntityID]*keptAllocation{}, first: map[ngsild.EntityID]ngsild.EntityID{}}
}

var errClosed = errors.New("the agent is stopping")

// enter waits until the requests before this one for the same component are
// done. leave must be called unless there is an error.
func (d *desk) enter(ctx context.Context, id ngsild.EntityID) (leave func(), err error) {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil, errClosed
	}
	turn := make(chan struct{})
	d.lines[id] = append(d.lines[id], turn)
	if len(d.lines[id]) == 1 {
		close(turn)
	}
	d.mu.Unlock()
	select {
	case <-turn:
		return func() { d.leave(id, turn) }, nil
	case <-ctx.Done():
		d.leave(id, turn)
		return nil, ctx.Err()
	}
}

// leave takes a turn out of its line, wherever it stands, and calls the next.
func (d *desk) leave(id ngsild.EntityID, turn chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := slices.Index(d.lines[id], turn)
	line := slices.Delete(d.lines[id], at, at+1)
	if d.lines[id] = line; len(line) == 0 {
		delete(d.lines, id)
	} else if at == 0 {
		close(line[0])
	}
}

// waiting is the number of components that somebody waits for.
func (d *desk) waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.lines)
}

// close refuses everything that comes from now on.
func (d *desk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// put makes e what is to be done for a component, whatever was before.
func (d *desk) put(id ngsild.EntityID, e *errand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.errands[id] = e
	if !e.remove {
		delete(d.first, id)
	}
}

// placedAnew says whether the entity is placed on another element than when the
// component was asked for: then it is the entity that knows better.
func (d *desk) placedAnew(id, on ngsild.EntityID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	first, known := d.first[id]
	if !known {
		d.first[id] = on
	}
	return known && on != "" && on != first
}

// drop forgets an errand, unless another one has taken its place.
func (d *desk) drop(id ngsild.EntityID, e *errand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.errands[id] == e {
		delete(d.errands, id)
	}
}

// errand is what is to be done for a component; nil: nothing.
func (d *desk) errand(id ngsild.EntityID) *errand {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.errands[id]
}

// keep notes what a component's objects were made of.
func (d *desk) keep(id ngsild.EntityID, a allocation.Allocation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k, ok := d.kept[id]; ok {
		k.Allocation = a
		return
	}
	d.kept[id] = &keptAllocation{Allocation: a}
}

// saw notes how a component stands.
func (d *desk) saw(id ngsild.EntityID, s allocation.State) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k, ok := d.kept[id]; ok {
		k.state = s
	}
}

// wasPlaced says whether a component's entity is placed as what was asked for says, or was at some time:
// its objects note it, and may go before we do.
func (d *desk) wasPlaced(id ngsild.EntityID, digest string, is bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	k, ok := d.kept[id]
	if !ok {
		return is
	}
	if is {
		k.placed = digest
	}
	return k.placed == digest
}

// forget ends everything about a component, unless it was asked for anew.
func (d *desk) forget(id ngsild.EntityID, e *errand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.errands[id] != e {
		return
	}
	delete(d.errands, id)
	delete(d.kept, id)
	delete(d.first, id)
}

// unkeep has a component made of nothing but what is asked for now.
func (d *desk) unkeep(id ngsild.EntityID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.kept, id)
}

// all are the components that something is known of here.
func (d *desk) all() []ngsild.EntityID {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := slices.Collect(maps.Keys(d.kept))
	return slices.AppendSeq(ids, maps.Keys(d.errands))
}

func (d *desk) knows(id ngsild.EntityID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.errands[id] != nil || d.kept[id] != nil
}

// recorded is what was asked for of a component that is there; false: it was not
// asked for, or is going. What the agent remembers goes before the objects, so
// that one that was deleted or changed by hand comes back.
func (d *desk) recorded(id ngsild.EntityID, live []*llo.Live) (keptAllocation, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k, ok := d.kept[id]; ok {
		return *k, true
	}
	bearer := recordBearer(live)
	if bearer == nil {
		return keptAllocation{}, false
	}
	a, err := allocation.ParseRecord(id, bearer.Annotations[llo.AllocationAnnotation])
	if err != nil {
		return keptAllocation{}, false
	}
	if a.WantsSecrets() {
		for _, l := range live {
			a.ReadSecrets(l.Object().Object)
		}
	}
	d.kept[id] = &keptAllocation{Allocation: a}
	return *d.kept[id], true
}

// recordBearer is the object on which the newest record stands: while a component
// moves to another kind of object, that is the one that it moves to.
func recordBearer(live []*llo.Live) *llo.Live {
	var found *llo.Live
	for _, l := range live {
		if l.Deleting || l.Annotations[llo.OriginAnnotation] != originAllocation || l.Annotations[llo.AllocationAnnotation] == "" {
			continue
		}
		if found == nil || l.Annotations[llo.MovedFrom] != "" {
			found = l
		}
	}
	return found
}

// allocated lists the components that were asked for by others.
func allocated(live []*llo.Live) []ngsild.EntityID {
	var ids []ngsild.EntityID
	for _, l := range live {
		if l.Annotations[llo.OriginAnnotation] == originAllocation {
			ids = append(ids, entityOf(l))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
