package ngsild

import (
	"errors"
	"io"
	"sync/atomic"
)

const (
	bodyOverhead  = 512  // what a waiting body costs beside its bytes
	unknownLength = 4096 // first room for a body that does not say how long it is
)

// bodies reads bodies within a bound on what all of them hold together.
type bodies struct {
	max   int64 // bytes of one
	limit int64 // bytes of all
	held  atomic.Int64
}

// read reads a body whole; length is negative if it is not known. It returns
// why that was not possible. What it returns counts until release.
func (b *bodies) read(from io.Reader, length int64) (body []byte, lost string) {
	switch {
	case length > b.max:
		return nil, "too_large"
	case length < 0:
		return b.readGrowing(from)
	case !b.take(length + bodyOverhead):
		return nil, "overload"
	}
	body = make([]byte, length)
	if _, err := io.ReadFull(from, body); err != nil {
		b.release(body)
		return nil, "incomplete"
	}
	return body, ""
}

func (b *bodies) readGrowing(from io.Reader) (body []byte, lost string) {
	size := min(unknownLength, b.max+1)
	if !b.take(size + bodyOverhead) {
		return nil, "overload"
	}
	body = make([]byte, 0, size)
	for {
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > b.max:
			b.release(body)
			return nil, "too_large"
		case errors.Is(err, io.EOF):
			return body, ""
		case err != nil:
			b.release(body)
			return nil, "incomplete"
		}
		if len(body) == cap(body) {
			if body = b.grow(body); body == nil {
				return nil, "overload"
			}
		}
	}
}

// grow gives a full body more room, one byte beyond the maximum at most. It
// returns nil, and has released the body, if there is none.
func (b *bodies) grow(body []byte) []byte {
	size := min(2*int64(cap(body)), b.max+1)
	if !b.take(size - int64(cap(body))) {
		b.release(body)
		return nil
	}
	larger := make([]byte, len(body), size)
	copy(larger, body)
	return larger
}

// take reserves n bytes, or reports that there is no room.
func (b *bodies) take(n int64) bool {
	if b.held.Add(n) <= b.limit {
		return true
	}
	b.held.Add(-n)
	return false
}

func (b *bodies) release(body []byte) { b.held.Add(-int64(cap(body)) - bodyOverhead) }
