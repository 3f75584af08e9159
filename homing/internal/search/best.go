package search

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// best holds the k cheapest assignments seen, each once.
type best struct {
	k    int
	list []Solution // in order
}

func newBest(k int) best { return best{k: k} }

func compare(a, b Solution) int {
	return cmp.Or(cmp.Compare(a.Cost, b.Cost), slices.Compare(a.Values, b.Values))
}

// add puts s in its place and reports whether that was news.
func (b *best) add(s Solution) bool {
	at, there := slices.BinarySearchFunc(b.list, s, compare)
	if there || at >= b.k {
		return false
	}
	b.list = slices.Insert(b.list, at, s)
	if len(b.list) > b.k {
		b.list = b.list[:b.k]
	}
	return true
}

// lead puts s in front, where it may be already.
func (b *best) lead(s Solution) {
	same := func(other Solution) bool { return slices.Equal(other.Values, s.Values) }
	if at := slices.IndexFunc(b.list, same); at >= 0 {
		b.list = slices.Delete(b.list, at, at+1)
	}
	b.list = slices.Insert(b.list, 0, s)
	if len(b.list) > b.k {
		b.list = b.list[:b.k]
	}
}

// limit is what an assignment has to stay under to be worth finding.
func (b *best) limit() int64 {
	if len(b.list) < b.k {
		return Unbounded
	}
	return b.worst()
}

func (b *best) worst() int64 { return b.list[len(b.list)-1].Cost }

func (b *best) sorted() []Solution { return b.list }

// Key is a text that differs for different assignments.
func Key(values []int) string {
	key := make([]byte, 0, 3*len(values))
	for _, a := range values {
		key = binary.AppendUvarint(key, uint64(a))
	}
	return string(key)
}
