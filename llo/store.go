package llo

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// store is the cache of one kind in one namespace, or in all. A Reflector fills
// it, and writes of ours run ahead of the Reflector. It never goes back to an
// older version of an object, and never brings back one that was seen to go.
type store struct {
	changed func(entity string)
	listed  func()

	mu       sync.RWMutex
	objects  map[types.NamespacedName]*sighting
	entities map[string][]*sighting             // ours, by entity
	refused  map[types.NamespacedName][]string  // entities that wanted a name that is held
	writing  map[types.NamespacedName]*sighting // what the watch showed last while a write of ours is under way
	seen     string                             // the version that the Reflector has come to
}

func newStore(changed func(entity string), listed func()) *store {
	return &store{
		changed: changed, listed: listed,
		objects:  map[types.NamespacedName]*sighting{},
		entities: map[string][]*sighting{},
		refused:  map[types.NamespacedName][]string{},
		writing:  map[types.NamespacedName]*sighting{},
	}
}

// Add implements cache.ReflectorStore.
func (s *store) Add(object any) error { return s.Update(object) }

// Update implements cache.ReflectorStore.
func (s *store) Update(object any) error {
	seen, err := asSighting(object)
	if err != nil {
		return err
	}
	s.tell(func() []string {
		s.advance(seen.ResourceVersion)
		entities := s.set(seen)
		if _, busy := s.writing[seen.place()]; busy && slices.Contains(entities, seen.entity) {
			s.writing[seen.place()] = seen
			entities = slices.DeleteFunc(entities, func(e string) bool { return e == seen.entity })
		}
		return entities
	})
	return nil
}

// Delete implements cache.ReflectorStore. The version of a deleted object is that
// of its deletion, so one that was made anew under the same name is newer.
func (s *store) Delete(object any) error {
	gone, err := asSighting(object)
	if err != nil {
		return err
	}
	s.tell(func() []string {
		s.advance(gone.ResourceVersion)
		if old := s.objects[gone.place()]; old != nil && !newer(old.ResourceVersion, gone.ResourceVersion) {
			return s.unset(old)
		}
		return nil
	})
	return nil
}

// Replace implements cache.ReflectorStore. What a write of ours has put here after
// the list was taken stays. A list that is older than what was listed or watched
// before means that the API server has another storage now: then nothing stays.
func (s *store) Replace(objects []any, version string) error {
	s.tell(func() (entities []string) {
		if newer(s.seen, version) {
			entities = s.forget()
		}
		listed := make(map[types.NamespacedName]bool, len(objects))
		for _, object := range objects {
			seen, err := asSighting(object)
			if err != nil {
				continue // the source makes nothing else
			}
			listed[seen.place()] = true
			entities = append(entities, s.set(seen)...)
		}
		for place, old := range s.objects {
			if !listed[place] && !newer(old.ResourceVersion, version) {
				entities = append(entities, s.unset(old)...)
			}
		}
		s.seen = version
		return entities
	})
	s.listed()
	return nil
}

// Resync implements cache.ReflectorStore.
func (s *store) Resync() error { return nil }

// Bookmark implements cache.ReflectorBookmarkStore.
func (s *store) Bookmark(version string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(version)
	return nil
}

// clear forgets everything: the kind is gone, and all its objects with it.
func (s *store) clear() { s.tell(s.forget) }

// put takes in what a write or a read of ours was answered, if it is ahead of the
// Reflector. What is not ahead is known already, or was deleted since. The entity
// of the object is not told: it is being worked on.
func (s *store) put(answer *sighting) {
	s.tell(func() []string {
		if !newer(answer.ResourceVersion, s.seen) {
			return nil
		}
		return slices.DeleteFunc(s.set(answer), func(e string) bool { return e == answer.entity })
	})
}

// begin comes before a write of ours to the object at place, end after it, with its
// answer, nil if there is none. The watch is often faster than the answer: then the
// entity is told of what the watch shows only if that is not what was answered.
func (s *store) begin(place types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing[place] = nil
}

func (s *store) end(place types.NamespacedName, answer *sighting) {
	s.tell(func() []string {
		shown := s.writing[place]
		delete(s.writing, place)
		if shown == nil || answer != nil && answer.ResourceVersion == shown.ResourceVersion {
			return nil
		}
		return []string{shown.entity}
	})
}

// settle notes that the API server's answer to what is rendered now is this version.
func (s *store) settle(answer *sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.objects[answer.place()]; now != nil && now.ResourceVersion == answer.ResourceVersion {
		now.settled, now.fields = true, nil
	}
}

// refuse remembers who wanted a name that is held, to tell them when that changes.
// It reports false, and remembers nothing, if it has changed already.
func (s *store) refuse(holder *sighting, entity string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.objects[holder.place()]
	if now == nil || now.owner != holder.owner || now.entity != holder.entity {
		return false
	}
	if waiting := s.refused[holder.place()]; !slices.Contains(waiting, entity) {
		s.refused[holder.place()] = append(waiting, entity)
	}
	return true
}

// tell runs change with the lock held, and then tells of the entities it gives.
func (s *store) tell(change func() []string) {
	s.mu.Lock()
	entities := change()
	s.mu.Unlock()
	slices.Sort(entities)
	for _, entity := range slices.Compact(entities) {
		if entity != "" {
			s.changed(entity)
		}
	}
}

// What follows down to advance needs the lock, and gives the entities to tell of.

func (s *store) set(seen *sighting) []string {
	old := s.objects[seen.place()]
	if old != nil && newer(old.ResourceVersion, seen.ResourceVersion) {
		return nil
	}
	if old != nil && old.ResourceVersion == seen.ResourceVersion {
		return nil
	}
	seen.inherit(old)
	s.unlink(old)
	s.objects[seen.place()] = seen
	if seen.ours {
		s.entities[seen.entity] = append(s.entities[seen.entity], seen)
	}
	return s.affected(old, seen)
}

func (s *store) forget() (entities []string) {
	for _, old := range s.objects {
		entities = append(entities, s.unset(old)...)
	}
	s.seen = ""
	return entities
}

func (s *store) unset(old *sighting) []string {
	s.unlink(old)
	delete(s.objects, old.place())
	return s.affected(old, nil)
}

func (s *store) unlink(old *sighting) {
	if old == nil || !old.ours {
		return
	}
	left := slices.DeleteFunc(s.entities[old.entity], func(o *sighting) bool { return o == old })
	if len(left) == 0 {
		delete(s.entities, old.entity)
		return
	}
	s.entities[old.entity] = left
}

// affected gives those that have to look again when now takes the place of old.
func (s *store) affected(old, now *sighting) (entities []string) {
	if old != nil && old.ours && (now == nil || now.raw != old.raw) {
		entities = append(entities, old.entity)
	}
	if now != nil && now.ours && (old == nil || now.raw != old.raw) {
		entities = append(entities, now.entity)
	}
	if old == nil || now == nil || old.owner != now.owner || old.entity != now.entity {
		place := cmp.Or(now, old).place()
		entities = append(entities, s.refused[place]...)
		delete(s.refused, place)
	}
	return entities
}

func (s *store) advance(version string) {
	if newer(version, s.seen) {
		s.seen = version
	}
}

func (s *store) get(key Key) *sighting {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.objects[types.NamespacedName{Namespace: key.Namespace, Name: key.Name}]
}

// verdict gives whether o was settled, and if not, what the API server books on us.
func (s *store) verdict(o *sighting) (settled bool, fields []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return o.settled, o.fields
}

func (s *store) byEntity(entity string, into []*Live) []*Live {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, o := range s.entities[entity] {
		into = append(into, &o.Live)
	}
	return into
}

func (s *store) all(into []*Live) []*Live {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, of := range s.entities {
		for _, o := range of {
			into = append(into, &o.Live)
		}
	}
	return into
}

// holds says whether an object of ours is in a namespace that counts.
func (s *store) holds(counts func(namespace string) bool) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, of := range s.entities {
		if slices.ContainsFunc(of, func(o *sighting) bool { return counts(o.Namespace) }) {
			return true
		}
	}
	return false
}

// newer reports whether version a comes after b, both of the same kind. An empty
// one comes before all others. One that is no number comes after all, so that
// what is unclear is believed.
func newer(a, b string) bool {
	if b == "" || a == "" {
		return a != ""
	}
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order > 0
}

func asSighting(object any) (*sighting, error) {
	s, ok := object.(*sighting)
	if !ok {
		return nil, fmt.Errorf("a %T in the cache of objects", object)
	}
	return s, nil
}
