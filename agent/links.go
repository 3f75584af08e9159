package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hlo-agent/hlo-agent/mapping"
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

// followed are the types of entities that rendering and ownership depend on,
// with the attributes that do so; nil is all of them. Everything else in them,
// load figures above all, is neither subscribed to nor kept.
type followed map[string][]string

// follow is what the loop itself reads of linked entities, and what the mappings do.
func follow(set *mapping.Set) followed {
	f := followed{
		"InfrastructureElement": {"domain", "lowLevelOrchestrator"},
		"LowLevelOrchestrator":  {"domain"},
		"NetworkPort":           {},
		typeService:             {"domainHandler", attrAction},
		typeDomain:              {"isEntrypoint"},
	}
	read := set.Attributes()
	for role, typ := range map[string]string{"element": "InfrastructureElement", "orchestrator": "LowLevelOrchestrator",
		"port": "NetworkPort", "service": typeService, "domain": typeDomain} {
		names, known := read[role]
		if known && names == nil {
			f[typ] = nil
			continue
		}
		f[typ] = append(f[typ], names...)
		slices.Sort(f[typ])
		f[typ] = slices.Compact(f[typ])
	}
	return f
}

// types are the followed types, sorted.
func (f followed) types() []string {
	names := slices.AppendSeq([]string{}, maps.Keys(f))
	slices.Sort(names)
	return names
}

// attributes are all followed attributes, sorted; nil if all of some type are.
func (f followed) attributes() []string {
	var names []string
	for _, typ := range f.types() {
		if f[typ] == nil {
			return nil
		}
		names = append(names, f[typ]...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// links is the cache of linked entities, and who depends on which. Safe for
// concurrent use; a resync builds it again.
type links struct {
	client *ngsild.Client
	follow followed
	now    func() time.Time
	fetch  chan fetchRequest

	mu         sync.Mutex
	entities   map[ngsild.EntityID]*linked
	dependents map[ngsild.EntityID]map[ngsild.EntityID]struct{}
	needs      map[ngsild.EntityID][]ngsild.EntityID // the same, from the component's side
}

type linked struct {
	entity  ngsild.Entity
	exists  bool
	told    time.Time // notifiedAt, by the broker's clock
	checked time.Time // by our clock
}

type fetchRequest struct {
	id   ngsild.EntityID
	done chan error
}

func newLinks(client *ngsild.Client, follow followed, now func() time.Time) *links {
	return &links{
		client: client, follow: follow, now: now, fetch: make(chan fetchRequest),
		entities:   map[ngsild.EntityID]*linked{},
		dependents: map[ngsild.EntityID]map[ngsild.EntityID]struct{}{},
		needs:      map[ngsild.EntityID][]ngsild.EntityID{},
	}
}

// project keeps the attributes that matter.
func (l *links) project(e ngsild.Entity) ngsild.Entity {
	names, known := l.follow[e.Type]
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
		if e.Deleted || malformed(&p, nil) {
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

// drop marks every linked entity that a complete list lacked as unknown, so
// that it is read when it is needed.
func (l *links) drop(seen map[ngsild.EntityID]bool, asked time.Time) []ngsild.EntityID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var again []ngsild.EntityID
	for id, k := range l.entities {
		if !seen[id] && k.checked.Before(asked) {
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

// run answers fetches: what is asked for while a read is under way goes out
// together in the next one, so a burst of new components costs few reads.
func (l *links) run(ctx context.Context) error {
	for {
		var batch []fetchRequest
		select {
		case r := <-l.fetch:
			batch = append(batch, r)
		case <-ctx.Done():
			return nil
		}
		for more := true; more && len(batch) < 100; {
			select {
			case r := <-l.fetch:
				batch = append(batch, r)
			default:
				more = false
			}
		}
		err := l.load(ctx, batch)
		for _, r := range batch {
			r.done <- err
		}
	}
}

func (l *links) load(ctx context.Context, batch []fetchRequest) error {
	var ids []ngsild.EntityID
	for _, r := range batch {
		if _, ok := l.cached(r.id); !ok {
			ids = append(ids, r.id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil
	}
	asked := l.now()
	if len(ids) == 1 { // by id: this also finds what lives in another domain's broker
		e, err := l.client.Entity(ctx, ids[0])
		switch {
		case err == nil:
			l.put(e, time.Time{})
		case errors.Is(err, ngsild.ErrNotFound):
			l.missing(ids, asked)
		default:
			return err
		}
		return nil
	}
	_, err := l.client.List(ctx, ngsild.Query{IDs: ids}, func(page []ngsild.Entity) error {
		for _, e := range page {
			l.put(e, time.Time{})
		}
		return nil
	})
	if err != nil && !errors.Is(err, ngsild.ErrShortList) {
		return err
	}
	l.missing(ids, asked)
	return nil
}

// missing notes which of ids the broker does not have. The next list, or a
// notification of the entity, corrects it.
func (l *links) missing(ids []ngsild.EntityID, asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if _, ok := l.entities[id]; !ok {
			l.entities[id] = &linked{exists: false, checked: asked}
		}
	}
}

// input gathers what rendering a component needs. Missing entities are nil.
func (l *links) input(ctx context.Context, c ngsild.Entity) (mapping.Input, error) {
	in := mapping.Input{Component: c}
	var used []ngsild.EntityID
	var failed error
	get := func(id ngsild.EntityID) *ngsild.Entity {
		if id == "" || failed != nil {
			return nil
		}
		used = append(used, id)
		e, err := l.get(ctx, c.ID, id)
		failed = err
		return e
	}
	in.Service = get(serviceOf(&c))
	if in.Element = get(firstLink(&c, attrElement)); in.Element != nil {
		in.Orchestrator = get(firstLink(in.Element, "lowLevelOrchestrator"))
		in.Domain = get(firstLink(in.Element, "domain"))
	}
	for _, id := range c.Links("networkPorts") {
		if p := get(id); p != nil {
			in.Ports = append(in.Ports, *p)
		}
	}
	if failed != nil {
		return in, failed
	}
	l.release(c.ID, used...)
	return in, nil
}
