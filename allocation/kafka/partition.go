package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hlo-agent/hlo-agent/allocation"
)

const (
	maxBatch     = 100  // messages between two commits
	maxWaiting   = 2000 // more are not fetched before these are done with
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 15 * time.Second
)

// partition works on one partition, in order, from its assignment until it is
// taken away. What keeps one waiting does not keep the others.
type partition struct {
	c      *Consumer
	number int32
	ctx    context.Context // of the assignment
	cancel context.CancelFunc
	done   chan struct{}
	more   chan struct{}

	mu        sync.Mutex
	waiting   []*kgo.Record
	begun     bool // next is known
	paused    bool
	next, end int64 // the first offset not done with, and the one after the last known
}

func startPartition(c *Consumer, number int32) *partition {
	p := &partition{c: c, number: number, done: make(chan struct{}), more: make(chan struct{}, 1)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(p.done)
		for batch := p.take(); batch != nil; batch = p.take() {
			p.carry(batch)
		}
	}()
	return p
}

func (p *partition) add(end int64, records []*kgo.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end = max(p.end, end)
	if !p.begun && len(records) > 0 {
		p.begun, p.next = true, records[0].Offset
	}
	p.waiting = append(p.waiting, records...)
	if len(p.waiting) > maxWaiting && !p.paused {
		p.paused = true
		p.c.client.PauseFetchPartitions(map[string][]int32{p.c.cfg.Topic: {p.number}})
	}
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// take waits for messages and returns the next batch; nil when the partition
// is ours no more.
func (p *partition) take() *batch {
	for p.ctx.Err() == nil {
		p.mu.Lock()
		b := batchOf(p.waiting)
		p.waiting = p.waiting[len(b.records):]
		if p.paused && len(p.waiting) <= maxWaiting/2 {
			p.paused = false
			p.c.client.ResumeFetchPartitions(map[string][]int32{p.c.cfg.Topic: {p.number}})
		}
		p.mu.Unlock()
		if len(b.records) > 0 {
			return b
		}
		select {
		case <-p.more:
		case <-p.ctx.Done():
		}
	}
	return nil
}

// carry makes the effect of a batch durable, puts aside what can have none,
// and commits. It gives up only when the partition is taken away.
func (p *partition) carry(b *batch) {
	p.until("carry out allocations", func() error { return p.try(b) })
	if dead := b.dead(); len(dead) > 0 {
		p.until("write to the dead-letter topic", func() error { return p.bury(dead) })
	}
	last := b.records[len(b.records)-1]
	p.until("commit", func() error {
		ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
		defer cancel()
		return p.c.client.CommitRecords(ctx, last)
	})
	if p.ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	p.next = last.Offset + 1
	p.mu.Unlock()
	for range b.unreadable {
		p.c.cfg.Count("unreadable")
	}
	for _, i := range b.items {
		if i.refused != nil {
			p.c.cfg.Count("refused")
		} else {
			p.c.cfg.Count("carried")
		}
	}
}

// try carries out what is not yet, and returns why some of it has to be tried again.
func (p *partition) try(b *batch) error {
	var open []*item
	var allocations []allocation.Allocation
	for _, i := range b.items {
		if !i.done {
			open = append(open, i)
			allocations = append(allocations, i.allocation)
		}
	}
	if len(open) == 0 {
		return nil
	}
	var again []error
	for n, err := range p.c.cfg.Carry(p.ctx, allocations) {
		switch {
		case err == nil:
			open[n].done = true
		case errors.Is(err, ErrRefused):
			open[n].done, open[n].refused = true, err
		default:
			again = append(again, err)
			p.c.cfg.Count("retried")
		}
	}
	return errors.Join(again...)
}

// until repeats f with back-off, for as long as the partition is ours.
func (p *partition) until(doing string, f func() error) {
	for wait := backoffFirst; p.ctx.Err() == nil; wait = min(2*wait, backoffMost) {
		err := f()
		if err == nil {
			return
		}
		if p.ctx.Err() == nil && (wait == backoffFirst || wait == backoffMost) {
			p.c.cfg.Log.Warn("will try again", "doing", doing, "partition", p.number, "err", err)
		}
		select {
		case <-time.After(wait):
		case <-p.ctx.Done():
		}
	}
}

func (p *partition) lag() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, p.end-p.next)
}
