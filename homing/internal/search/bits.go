package search

import (
	"iter"
	"math/bits"
)

// Bits is a set of small numbers.
type Bits []uint64

// NewBits returns an empty set with room for 0..n-1.
func NewBits(n int) Bits { return make(Bits, (n+63)/64) }

// FullBits returns the set 0..n-1.
func FullBits(n int) Bits {
	b := NewBits(n)
	for i := range b {
		b[i] = ^uint64(0)
	}
	if n%64 != 0 {
		b[len(b)-1] = 1<<(n%64) - 1
	}
	return b
}

// Set puts i in, Unset takes it out, Has tells.
func (b Bits) Set(i int)      { b[i>>6] |= 1 << (i & 63) }
func (b Bits) Unset(i int)    { b[i>>6] &^= 1 << (i & 63) }
func (b Bits) Has(i int) bool { return b[i>>6]&(1<<(i&63)) != 0 }

// Len counts the members.
func (b Bits) Len() int {
	n := 0
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}

// First is the smallest member, or -1.
func (b Bits) First() int {
	for i, word := range b {
		if word != 0 {
			return i<<6 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// And keeps what is also in c and reports whether that changed anything.
func (b Bits) And(c Bits) bool {
	changed := false
	for i, word := range b {
		if kept := word & c[i]; kept != word {
			b[i], changed = kept, true
		}
	}
	return changed
}

// Or adds what is in c.
func (b Bits) Or(c Bits) {
	for i := range b {
		b[i] |= c[i]
	}
}

// Covers reports whether all of c is in b, Meets whether any of it is.
func (b Bits) Covers(c Bits) bool {
	for i, word := range c {
		if word&^b[i] != 0 {
			return false
		}
	}
	return true
}

func (b Bits) Meets(c Bits) bool {
	for i, word := range b {
		if word&c[i] != 0 {
			return true
		}
	}
	return false
}

// All yields the members in ascending order. Members may be taken out meanwhile.
func (b Bits) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, word := range b {
			for word != 0 {
				if !yield(i<<6 + bits.TrailingZeros64(word)) {
					return
				}
				word &= word - 1
			}
		}
	}
}

// Clone returns a copy.
func (b Bits) Clone() Bits { return append(Bits(nil), b...) }
