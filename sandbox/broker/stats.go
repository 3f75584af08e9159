package broker

import "sync/atomic"

// Stats counts what the broker was asked and has sent since its start. A
// request counts once, whatever its answer.
type Stats struct {
	EntityReads         int64 // GET of one entity
	ListReads           int64 // pages: GET of entities, POST query
	EntityWrites        int64 // of one entity: POST, PUT, PATCH, DELETE, attributes too
	BatchWrites         int64 // entityOperations create, upsert, update, delete
	SubscriptionReads   int64 // GET of one or of a page
	SubscriptionWrites  int64
	Other               int64 // version, ping, wrong paths…
	NotificationsSent   int64 // answered as the broker wants it
	NotificationsFailed int64
	EntitiesStored      int64 // now, over all tenants
}

type counter int

const (
	otherRequest counter = iota
	entityRead
	listRead
	entityWrite
	batchWrite
	subscriptionRead
	subscriptionWrite
	notificationSent
	notificationFailed
	counterCount
)

type counts [counterCount]atomic.Int64

// Stats is what was counted so far.
func (b *Broker) Stats() Stats {
	c := &b.stats
	s := Stats{
		Other:               c[otherRequest].Load(),
		EntityReads:         c[entityRead].Load(),
		ListReads:           c[listRead].Load(),
		EntityWrites:        c[entityWrite].Load(),
		BatchWrites:         c[batchWrite].Load(),
		SubscriptionReads:   c[subscriptionRead].Load(),
		SubscriptionWrites:  c[subscriptionWrite].Load(),
		NotificationsSent:   c[notificationSent].Load(),
		NotificationsFailed: c[notificationFailed].Load(),
	}
	for _, t := range b.all() {
		t.mu.RLock()
		s.EntitiesStored += int64(len(t.entities))
		t.mu.RUnlock()
	}
	return s
}
