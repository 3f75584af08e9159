package agent

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Names of entity types and attributes that the loop itself knows; what an
// object is made of is known by package mapping alone.
const (
	typeComponent = "ServiceComponent"
	typeService   = "Service"
	typeDomain    = "Domain"

	attrStatus     = "serviceComponentStatus"
	attrDeployment = "deploymentStatus"
	attrElement    = "infrastructureElement"
	attrService    = "service"
)

// links is the cache of linked entities, and who depends on which. Safe for
// concurrent use; a resync builds it again.
type links struct {
	client *ngsild.Client
	now    func() time.Time
	fetch  chan fetchRequest

	mu         sync.Mutex
	follow     *followed
	narrow     bool // notifications may still lack attributes that are followed now
	entities   map[ngsild.EntityID]*linked
	domains    []ngsild.EntityID // that the newest whole list held which held any
	dependents map[ngsild.EntityID]map[ngsild.EntityID]struct{}
	needs      map[ngsild.EntityID][]ngsild.EntityID // the same, from the component's side
}

type linked struct {
	entity  ngsild.Entity
	exists  bool
	told    time.Time // notifiedAt, by the broker's clock
	checked time.Time // by our clock
}

func newLinks(client *ngsild.Client, follow *followed, now func() time.Time) *links {
	return &links{
		client: client, follow: follow, now: now, fetch: make(chan fetchRequest),
		entities:   map[ngsild.EntityID]*linked{},
		dependents: map[ngsild.EntityID]map[ngsild.EntityID]struct{}{},
		needs:      map[ngsild.EntityID][]ngsild.EntityID{},
	}
}

// follows says whether entities of a type matter.
func (l *links) follows(typ string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, known := l.follow.of[typ]
	return known
}

// types are the types of entities that matter, sorted.
func (l *links) types() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.follow.types()
}

// refollow changes which attributes matter. Entities that other attributes
// matter of now become unknown, and notifications only hints, until the broker
// was asked to send what matters and everything was listed: see widened.
func (l *links) refollow(f *followed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.follow
	l.follow = f
	for id, k := range l.entities {
		if was, is := before.of[k.entity.Type], f.of[k.entity.Type]; k.exists && !sameNames(was, is) {
			delete(l.entities, id)
		}
	}
	l.narrow = l.narrow || !maps.EqualFunc(before.of, f.of, sameNames)
}

// widened says that notifications carry f, and that it was listed since they do.
func (l *links) widened(f *followed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.narrow = l.narrow && f != l.follow
}

func sameNames(a, b []string) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

// project keeps the attributes that matter. It needs the lock.
func (l *links) project(e ngsild.Entity) ngsild.Entity {
	names, known := l.follow.of[e.Type]
	if known && names == nil {
		return e
	}
	out := ngsild.Entity{ID: e.ID, Type: e.Type, Attrs: map[string]ngsild.Attribute{}}
	for _, name := range names {
		if a, ok := e.Attrs[name]; ok {
			out.Attrs[name] = a
		}
	}
	return out
}

// put takes in a linked entity and returns the components to look at again:
// none when nothing that matters changed. at is notifiedAt, or zero for a
// read or a list, which settle everything. A notification that cannot be
// believed, or that comes out of order, makes the entity unknown.
func (l *links) put(e ngsild.Entity, at time.Time) []ngsild.EntityID {
	l.mu.Lock()
	defer l.mu.Unlock()
	old, known := l.entities[e.ID]
	if known && !at.IsZero() && at.Before(old.told) {
		return nil
	}
	p := l.project(e)
	if !at.IsZero() {
		if e.Deleted || l.narrow || malformed(&p, nil) {
			delete(l.entities, e.ID) // the next pass reads it
			return l.dependentsOf(e.ID)
		}
		if known && len(p.Attrs) < len(old.entity.Attrs) && old.exists {
			// Orion-LD leaves out what it was not asked for, and attributes that are gone.
			delete(l.entities, e.ID)
			return l.dependentsOf(e.ID)
		}
	}
	l.entities[e.ID] = &linked{entity: p, exists: true, told: at, checked: l.now()}
	if known && old.exists && old.entity.Type == p.Type && sameAttributes(&old.entity, &p) {
		return nil
	}
	return l.dependentsOf(e.ID)
}

// listed takes in a linked entity from a list that was asked for at that time. The list
// settles nothing that was learned since: where it says something else, either may be the
// newer, and the entity becomes unknown. Domains are read by lists alone, and another one
// follows a notification of them.
func (l *links) listed(e ngsild.Entity, asked time.Time) []ngsild.EntityID {
	l.mu.Lock()
	old, known := l.entities[e.ID]
	if known && old.exists && old.entity.Type != typeDomain && !old.checked.Before(asked) {
		defer l.mu.Unlock()
		if p := l.project(e); old.entity.Type == p.Type && sameAttributes(&old.entity, &p) {
			return nil
		}
		again := l.dependentsOf(e.ID)
		delete(l.entities, e.ID)
		return again
	}
	l.mu.Unlock()
	return l.put(e, time.Time{})
}

// drop marks every linked entity that a complete list lacked as unknown, so
// that it is read when it is needed. A list without any Domain is no broker of
// ours, and Domains are asked for by nobody: which there are stays as it was known.
func (l *links) drop(seen map[ngsild.EntityID]bool, asked time.Time) []ngsild.EntityID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var domains, again []ngsild.EntityID
	for id := range seen {
		if k := l.entities[id]; k != nil && k.entity.Type == typeDomain {
			domains = append(domains, id)
		}
	}
	if len(domains) > 0 {
		l.domains = domains
	}
	for id, k := range l.entities {
		if !seen[id] && k.checked.Before(asked) && (k.entity.Type != typeDomain || len(domains) > 0) {
			delete(l.entities, id)
			again = append(again, l.dependentsOf(id)...)
		}
	}
	slices.Sort(again)
	return slices.Compact(again)
}

func sameAttributes(a, b *ngsild.Entity) bool {
	if len(a.Attrs) != len(b.Attrs) {
		return false
	}
	for name, was := range a.Attrs {
		is, ok := b.Attrs[name]
		if !ok || !ngsild.Equal(was.Value, is.Value) {
			return false
		}
	}
	return true
}

func (l *links) dependentsOf(id ngsild.EntityID) []ngsild.EntityID {
	ids := make([]ngsild.EntityID, 0, len(l.dependents[id])+1)
	for d := range l.dependents[id] {
		ids = append(ids, d)
	}
	if k, ok := l.entities[id]; ok && k.entity.Type == typeService {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// doubt has a linked entity read when it is needed next, and returns the
// components to look at again.
func (l *links) doubt(id ngsild.EntityID) []ngsild.EntityID {
	l.mu.Lock()
	defer l.mu.Unlock()
	again := l.dependentsOf(id)
	delete(l.entities, id)
	return again
}

// components lists what depends on a linked entity.
func (l *links) components(id ngsild.EntityID) []ngsild.EntityID {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]ngsild.EntityID, 0, len(l.dependents[id]))
	for d := range l.dependents[id] {
		ids = append(ids, d)
	}
	slices.Sort(ids)
	return ids
}

// depend notes that component needs id, so that a change of id wakes it.
func (l *links) depend(component, id ngsild.EntityID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	set, ok := l.dependents[id]
	if !ok {
		set = map[ngsild.EntityID]struct{}{}
		l.dependents[id] = set
	}
	if _, there := set[component]; !there {
		set[component] = struct{}{}
		l.needs[component] = append(l.needs[component], id)
	}
}

// release forgets what component needs, except for what it still does.
func (l *links) release(component ngsild.EntityID, still ...ngsild.EntityID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.needs[component][:0]
	for _, id := range l.needs[component] {
		if slices.Contains(still, id) {
			kept = append(kept, id)
			continue
		}
		delete(l.dependents[id], component)
		if len(l.dependents[id]) == 0 {
			delete(l.dependents, id)
		}
	}
	if len(kept) == 0 {
		delete(l.needs, component)
		return
	}
	l.needs[component] = kept
}

// cached returns what is known of id without asking: nil, false when nothing is.
func (l *links) cached(id ngsild.EntityID) (*ngsild.Entity, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.entities[id]
	if !ok {
		return nil, false
	}
	if !k.exists {
		return nil, true
	}
	return &k.entity, true
}

// known are those of ids that are known to be there, without asking.
func (l *links) known(ids []ngsild.EntityID) []ngsild.Entity {
	var out []ngsild.Entity
	for _, id := range ids {
		if e, ok := l.cached(id); ok && e != nil {
			out = append(out, *e)
		}
	}
	return out
}

// knownAs is the entity that is held and has this id, or whose id ends with it after a colon; nil if there is none.
func (l *links) knownAs(word string) *ngsild.Entity {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.entities[ngsild.EntityID(word)]; k != nil && k.exists {
		return &k.entity
	}
	for _, id := range slices.SortedFunc(maps.Keys(l.entities), compareID) {
		if k := l.entities[id]; k.exists && word != "" && strings.HasSuffix(string(id), ":"+word) {
			return &k.entity
		}
	}
	return nil
}

// ofType lists the cached entities of a type, in order of id.
func (l *links) ofType(typ string) []*ngsild.Entity {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*ngsild.Entity
	for _, k := range l.entities {
		if k.exists && k.entity.Type == typ {
			out = append(out, &k.entity)
		}
	}
	slices.SortFunc(out, func(a, b *ngsild.Entity) int { return compareID(a.ID, b.ID) })
	return out
}

// onlyDomain is the one Domain that there is, empty if there may be others. One
// alone in the cache says nothing: it may have been asked for by id while no list
// was to be had, or another one is to be read anew.
func (l *links) onlyDomain() ngsild.EntityID {
	known := l.ofType(typeDomain)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(known) != 1 || len(l.domains) != 1 || l.domains[0] != known[0].ID {
		return ""
	}
	return known[0].ID
}

// get returns a linked entity for a component that needs it, reading it when
// it is not known. nil without an error: the broker does not have it.
func (l *links) get(ctx context.Context, component, id ngsild.EntityID) (*ngsild.Entity, error) {
	l.depend(component, id)
	if e, ok := l.cached(id); ok {
		return e, nil
	}
	req := fetchRequest{id: id, done: make(chan error, 1)}
	select {
	case l.fetch <- req:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case err := <-req.done:
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	e, _ := l.cached(id)
	return e, nil
}
