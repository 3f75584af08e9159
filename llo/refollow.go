package llo

import (
	"iter"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Scope is what a cluster looks at: kinds, none of which need be there, and the
// namespaces of each; none, or an empty name, means all of them. Nothing is asked
// for outside of it.
type Scope map[schema.GroupVersionKind][]string

// Follow changes what is followed and can be applied. What is new is listed from
// now on, and Ready is false until it was. What is left out is followed for as long
// as an object of ours is seen in it, so that it can be deleted, and can be applied
// no more. It does not block.
func (c *Cluster) Follow(scope Scope) {
	c.following.Lock()
	defer c.following.Unlock()
	next := slices.Clone(*c.kinds.Load())
	for _, gvk := range slices.SortedFunc(maps.Keys(scope), compareKinds) {
		if !slices.ContainsFunc(next, func(k *kind) bool { return k.gvk == gvk }) {
			next = append(next, newKind(c, gvk))
		}
	}
	for _, k := range next {
		if namespaces, wanted := scope[k.gvk]; wanted {
			k.follow(namespacesOf(namespaces))
		} else {
			k.follow(nil)
		}
	}
	c.kinds.Store(&next)
	c.drop()
}

// Search looks for objects of ours of a kind that is not followed in a namespace,
// and follows them there for as long as there are any. They can be deleted, and not
// applied. It gives up where it is not let look. It does not block.
func (c *Cluster) Search(gvk schema.GroupVersionKind, namespace string) {
	c.following.Lock()
	defer c.following.Unlock()
	kinds := slices.Clone(*c.kinds.Load())
	k := c.kind(gvk)
	if k == nil {
		k = newKind(c, gvk)
		kinds = append(kinds, k)
	}
	if slices.ContainsFunc(k.all(), func(f *follower) bool { return f.covers(namespace) }) {
		return
	}
	f := newFollower(k, namespace)
	k.put(append(slices.Clone(k.all()), f))
	c.kinds.Store(&kinds)
	if c.start != nil {
		c.start(f)
	}
}

func compareKinds(a, b schema.GroupVersionKind) int { return Key{GVK: a}.Compare(Key{GVK: b}) }

// namespacesOf gives each namespace once; a single empty name stands for all.
func namespacesOf(names []string) []string {
	if len(names) == 0 || slices.Contains(names, "") {
		return []string{""}
	}
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// follow makes the followers of exactly these namespaces the wanted ones. They
// come first.
func (k *kind) follow(namespaces []string) {
	before := k.all()
	next := make([]*follower, 0, len(before)+len(namespaces))
	for _, namespace := range namespaces {
		i := slices.IndexFunc(before, func(f *follower) bool { return f.namespace == namespace })
		if i >= 0 {
			next = append(next, before[i])
			before[i].wanted.Store(true)
			continue
		}
		f := newFollower(k, namespace)
		f.wanted.Store(true)
		next = append(next, f)
		if k.cluster.start != nil {
			k.cluster.start(f)
		}
	}
	for _, f := range before {
		if !slices.Contains(next, f) {
			f.wanted.Store(false)
			next = append(next, f)
		}
	}
	k.put(next)
}

// sweep ends what is not wanted once nothing of ours is in it.
func (c *Cluster) sweep() {
	c.following.Lock()
	defer c.following.Unlock()
	c.drop()
}

// drop needs the lock.
func (c *Cluster) drop() {
	var next []*kind
	for _, k := range *c.kinds.Load() {
		var kept []*follower
		for _, f := range k.all() {
			if f.wanted.Load() || k.needs(f) {
				kept = append(kept, f)
				continue
			}
			c.log.Info("not followed any more", "kind", k.gvk.Kind, "namespace", f.namespace)
			f.end()
		}
		k.put(kept)
		if len(kept) > 0 {
			next = append(next, k)
		}
	}
	c.kinds.Store(&next)
}

// needs says whether an object of ours is seen, or may be, by f alone.
func (k *kind) needs(f *follower) bool {
	if !f.settled() {
		return !f.hopeless()
	}
	return f.store.holds(func(namespace string) bool {
		return !slices.ContainsFunc(k.all(), func(o *follower) bool {
			return o.wanted.Load() && o.settled() && (o.covers(namespace) || namespace == "" && o == k.all()[0])
		})
	})
}

// covers says whether f sees the objects of a namespace.
func (f *follower) covers(namespace string) bool {
	return f.namespace == "" || f.namespace == namespace
}

// followers gives those of all kinds, the wanted ones of each kind first.
func (c *Cluster) followers() iter.Seq[*follower] {
	return func(yield func(*follower) bool) {
		for _, k := range *c.kinds.Load() {
			for _, f := range k.all() {
				if !yield(f) {
					return
				}
			}
		}
	}
}
