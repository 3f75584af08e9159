package broker

import (
	"strings"
	"sync"
)

// entity is a stored entity. It is never changed once it is in a tenant.
type entity struct {
	id, typ           string
	attrs             []attribute
	created, modified instant
}

// attribute is a stored attribute: its body is its normalized JSON text, short
// of the times. A list as body holds one object for each datasetId.
type attribute struct {
	name, body        string
	created, modified instant
}

func (e *entity) find(name string) int {
	for i := range e.attrs {
		if e.attrs[i].name == name {
			return i
		}
	}
	return -1
}

// change is a copy of e, modified now, with room for more attributes.
func (e *entity) change(now instant, more int) *entity {
	out := *e
	out.modified = now
	out.attrs = append(make([]attribute, 0, len(e.attrs)+more), e.attrs...)
	return &out
}

// tenant holds what one tenant stores. mu guards everything in it but the
// entities, which do not change, and each subscription's spec.
type tenant struct {
	name string

	mu       sync.RWMutex
	entities map[string]*slot
	order    []*slot // by creation; those of deleted entities are empty
	empty    int
	births   int // how many entities there ever were
	words    map[string]string
	subs     []*subscription // by creation
	version  uint64          // grows with every change worth saving
}

// slot is an entity's place in the order of creation.
type slot struct {
	entity *entity
	born   int
}

func newTenant(name string) *tenant {
	return &tenant{name: name, entities: map[string]*slot{}, words: map[string]string{}}
}

// at is the stored entity, nil if there is none.
func (t *tenant) at(id string) *entity {
	if s := t.entities[id]; s != nil {
		return s.entity
	}
	return nil
}

// put stores e in place of the entity of its id, or as the newest.
func (t *tenant) put(e *entity) {
	t.version++
	if s := t.entities[e.id]; s != nil {
		s.entity = e
		return
	}
	t.births++
	s := &slot{e, t.births}
	t.entities[e.id] = s
	t.order = append(t.order, s)
}

func (t *tenant) remove(id string) {
	s := t.entities[id]
	if s == nil {
		return
	}
	t.version++
	s.entity = nil
	delete(t.entities, id)
	if t.empty++; t.empty > 64 && t.empty > len(t.order)/2 {
		t.squeeze()
	}
}

func (t *tenant) squeeze() {
	kept := make([]*slot, 0, len(t.order)-t.empty)
	for _, s := range t.order {
		if s.entity != nil {
			kept = append(kept, s)
		}
	}
	t.order, t.empty = kept, 0
}

// word is a copy of a name that keeps no request body in memory. Names that
// come again and again share one.
func (t *tenant) word(s string) string {
	if w, ok := t.words[s]; ok {
		return w
	}
	w := strings.Clone(s)
	if len(t.words) < 4096 {
		t.words[w] = w
	}
	return w
}
