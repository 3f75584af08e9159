package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// recordBroker holds records, and does or says something else when told so.
type recordBroker struct {
	held   map[ngsild.EntityID]map[string]any
	lose   bool  // the next write is done and its answer lost
	fail   error // of every call
	writes int
}

func (b *recordBroker) write(do func() error) error {
	if b.fail != nil {
		return b.fail
	}
	b.writes++
	err := do()
	if b.lose {
		b.lose = false
		return errors.New("no answer")
	}
	return err
}

func (b *recordBroker) CreateEntity(_ context.Context, id ngsild.EntityID, _ string, attrs map[string]any) error {
	return b.write(func() error {
		if b.held[id] != nil {
			return ngsild.ErrInvalid
		}
		b.held[id] = attrs
		return nil
	})
}

func (b *recordBroker) Merge(_ context.Context, id ngsild.EntityID, attrs map[string]any) error {
	return b.write(func() error {
		if b.held[id] == nil {
			return ngsild.ErrNotFound
		}
		maps.Copy(b.held[id], attrs)
		return nil
	})
}

func (b *recordBroker) DeleteEntity(_ context.Context, id ngsild.EntityID) error {
	return b.write(func() error {
		if b.held[id] == nil {
			return ngsild.ErrNotFound
		}
		delete(b.held, id)
		return nil
	})
}

func (b *recordBroker) List(_ context.Context, _ ngsild.Query, page func([]ngsild.Entity) error) (int, error) {
	if b.fail != nil {
		return 0, b.fail
	}
	var all []ngsild.Entity
	for _, id := range slices.Sorted(maps.Keys(b.held)) {
		e := ngsild.Entity{ID: id, Type: typeHandOver, Attrs: map[string]ngsild.Attribute{}}
		for name, value := range b.held[id] {
			e.Attrs[name] = ngsild.Attribute{Kind: ngsild.Property, Value: value.(map[string]any)["value"]}
		}
		all = append(all, e)
	}
	return len(all), page(all)
}

// What was asked of others is found again after a start, whatever became of the
// answers of the broker meanwhile, and nothing is left when it is gone there.
func TestHandOversAreRecorded(t *testing.T) {
	t.Parallel()
	ctx, broker := t.Context(), &recordBroker{held: map[ngsild.EntityID]map[string]any{}}
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	start := func() *neighbours { return lonely(func() time.Time { return now }) }
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const component, other = ngsild.EntityID("urn:c"), ngsild.EntityID("urn:other")
	n := start()
	n.ask("urn:b", "https://b", allocation.Allocation{Component: component, Service: "urn:s", Element: "urn:e"}, "urn:from", "uid", "")
	if n.record(ctx, component) == nil {
		t.Error("it was recorded before it was known what had been")
	}
	broker.fail = errors.New("down")
	if n.recall(ctx, broker, "me") == nil {
		t.Error("recalled without a broker")
	}
	broker.fail = nil
	ok(n.recall(ctx, broker, "me"))
	broker.lose = true
	if n.record(ctx, component) == nil {
		t.Error("the answer was lost")
	}
	ok(n.record(ctx, component)) // the entity is there already
	ok(n.record(ctx, component))
	n.ask("urn:g", "https://g", allocation.Allocation{Component: component, Service: "urn:s", Element: "urn:e2"}, "urn:e", "", "")
	ok(n.record(ctx, component))
	n.ask("urn:b", "https://b", allocation.Allocation{Component: other, Service: "urn:s", Element: "urn:e"}, "", "", "")
	ok(n.record(ctx, other))

	was := n.of(component, "")
	now = now.Add(time.Hour)
	stranger := start()
	ok(stranger.recall(ctx, broker, "somebody else"))
	if got := stranger.recalledAll(); len(got) != 0 {
		t.Errorf("another agent takes in %v", got)
	}
	n = start()
	ok(n.recall(ctx, broker, "me"))
	ids := n.recalledAll()
	slices.Sort(ids)
	if diff := cmp.Diff([]ngsild.EntityID{component, other}, ids); diff != "" {
		t.Error(diff)
	}
	got := n.of(component, "")
	if len(got) != 2 || got[0].since != was[0].since || got[0].from != "urn:from" || got[0].aside != "uid" || got[0].url != "https://b" || got[1].element != "urn:e2" {
		t.Errorf("recalled %+v, was %+v", got, was)
	}
	again := n.ask("urn:b", "https://b", allocation.Allocation{Component: component, Service: "urn:s", Element: "urn:e", Image: "x"}, "", "", "")
	if again.since != was[0].since || again.from != "urn:from" {
		t.Errorf("asked again it began anew: %+v", again)
	}

	for _, domain := range []ngsild.EntityID{"urn:b", "urn:g"} {
		n.drop(domain, "", "urn:s", component, false)
		n.copies[component][domain].done = goneThere
	}
	ok(n.record(ctx, component))
	n.forget(other, "")
	broker.lose = true
	if n.record(ctx, other) == nil {
		t.Error("the answer was lost")
	}
	ok(n.record(ctx, other))
	if len(broker.held) != 0 {
		t.Errorf("left: %v", broker.held)
	}
}

// Every resync compares what is known with the records: what the broker did not have
// at our start is taken in when it has it, what it has lost is written again, and a list
// that a write has crossed says nothing of what was written.
func TestHandOverRecordsAreListedAgain(t *testing.T) {
	t.Parallel()
	const web, other = ngsild.EntityID("urn:web"), ngsild.EntityID("urn:other")
	ctx, broker := t.Context(), &recordBroker{held: map[ngsild.EntityID]map[string]any{}}
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	clock := func() time.Time { now = now.Add(time.Minute); return now }
	n := lonely(clock)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ask := func(n *neighbours, component, domain ngsild.EntityID) {
		n.ask(domain, "https://d", allocation.Allocation{Component: component, Service: "urn:s", Element: domain + "1"}, "", "", "")
	}
	list := func(n *neighbours) (map[ngsild.EntityID]string, func(ngsild.EntityID) bool) {
		n.listing()
		texts, err := n.read(ctx, ngsild.Query{Types: []string{typeHandOver}})
		ok(err)
		seen := maps.Clone(broker.held)
		return texts, func(record ngsild.EntityID) bool { return seen[record] == nil }
	}
	resync := func(n *neighbours) {
		texts, lost := list(n)
		n.listed(ctx, texts, lost)
	}
	domains := func(n *neighbours, component ngsild.EntityID) (all []ngsild.EntityID) {
		for _, c := range n.of(component, "") {
			all = append(all, c.domain)
		}
		return all
	}
	same := func(what string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	ok(n.recall(ctx, broker, "me"))
	for _, component := range []ngsild.EntityID{web, other} {
		ask(n, component, "urn:b")
		ok(n.record(ctx, component))
	}
	kept := maps.Clone(broker.held)

	clear(broker.held)
	n = lonely(clock)
	ok(n.recall(ctx, broker, "me")) // of a broker that is empty
	same("known of an empty broker", len(n.recalledAll()), 0)
	maps.Copy(broker.held, kept)
	ask(n, other, "urn:g")
	ok(n.record(ctx, other)) // which is there already, and tells of another domain
	same("domains, asked before the list", domains(n, other), []ngsild.EntityID{"urn:b", "urn:g"})
	resync(n)
	same("domains, by the list", domains(n, web), []ngsild.EntityID{"urn:b"})

	was := broker.writes
	resync(n)
	same("writes at rest", broker.writes, was)
	kept = maps.Clone(broker.held)
	clear(broker.held)
	texts, _ := list(n)
	n.listed(ctx, texts, func(ngsild.EntityID) bool { return false })
	same("writes after a list that is not whole", broker.writes, was)
	resync(n)
	same("the records after a wipe", broker.held, kept)

	texts, lost := list(n)
	n.drop("urn:b", "", "urn:s", web, false)
	n.copies[web]["urn:b"].done = goneThere
	ok(n.record(ctx, web))
	n.forget(web, "")
	n.listed(ctx, texts, lost)
	same("domains that a list had before the end", len(domains(n, web)), 0)
	texts, lost = list(n)
	ask(n, web, "urn:b")
	ok(n.record(ctx, web))
	was = broker.writes
	n.listed(ctx, texts, lost)
	same("writes of what a list did not have yet", broker.writes, was)
	resync(n)
	same("writes after all", broker.writes, was)

	m := lonely(clock)
	ok(m.recall(ctx, broker, "me"))
	same("found after the next start", domains(m, other), []ngsild.EntityID{"urn:b", "urn:g"})
}
