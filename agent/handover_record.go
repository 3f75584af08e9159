package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// What other domains hold for us is kept in our own broker, one entity of this type
// for each component. It is written before a domain is asked, outlives the
// component's entity, and goes when no other domain has the component any more.
const (
	typeHandOver   = "HandOver"
	handOverPrefix = "urn:ngsi-ld:HandOver:"

	attrHandOverAgent     = "handOverAgent"     // AGENT_ID of who asked
	attrHandOverComponent = "handOverComponent" // the component's id
	attrHandOverCopies    = "handOverCopies"    // copyRecords as JSON text, since merges go into JSON values
)

// recordAgain is after how long a record is tried again that could not be written.
const recordAgain = 2 * time.Second

// recalled is the print of what a domain was asked for before our start.
const recalled = "asked for before"

// copyRecord is what is kept of a copy.
type copyRecord struct {
	Domain  ngsild.EntityID `json:"domain"`
	Service ngsild.EntityID `json:"service"`
	URL     string          `json:"url"`
	Element ngsild.EntityID `json:"element"`
	From    ngsild.EntityID `json:"from,omitempty"`
	Since   time.Time       `json:"since"`
	Aside   string          `json:"aside,omitempty"`
}

// handOverBroker is where the records are kept.
type handOverBroker interface {
	CreateEntity(ctx context.Context, id ngsild.EntityID, typ string, attrs map[string]any) error
	Merge(ctx context.Context, id ngsild.EntityID, attrs map[string]any) error
	DeleteEntity(ctx context.Context, id ngsild.EntityID) error
	List(ctx context.Context, q ngsild.Query, page func([]ngsild.Entity) error) (int, error)
}

// recall takes in what was recorded before our start, once. Nothing may be asked
// of a domain before it.
func (n *neighbours) recall(ctx context.Context, broker handOverBroker, agent string) error {
	n.saving.Lock()
	defer n.saving.Unlock()
	if n.records != nil {
		return nil
	}
	n.broker, n.agent = broker, agent
	texts, err := n.read(ctx, ngsild.Query{Types: []string{typeHandOver}, Local: true})
	if err != nil {
		return fmt.Errorf("list what was handed over: %v", err) // a list that is not whole is no list here
	}
	n.records = map[ngsild.EntityID]string{}
	for component, text := range texts {
		n.takeIn(component, text)
	}
	return nil
}

// read is what the records of a query say, by component.
func (n *neighbours) read(ctx context.Context, q ngsild.Query) (map[ngsild.EntityID]string, error) {
	texts := map[ngsild.EntityID]string{}
	_, err := n.broker.List(ctx, q, func(page []ngsild.Entity) error {
		for _, e := range page {
			n.note(&e, texts)
		}
		return nil
	})
	return texts, err
}

// note adds what a record says to texts, if it is one of ours.
func (n *neighbours) note(e *ngsild.Entity, texts map[ngsild.EntityID]string) {
	component, _ := e.Text(attrHandOverComponent)
	if by, _ := e.Text(attrHandOverAgent); by == n.agent && component != "" {
		texts[ngsild.EntityID(component)], _ = e.Text(attrHandOverCopies)
	}
}

// takeIn makes known what the broker holds of a component. What is known already of
// its copy in a domain stands. Caller holds saving.
func (n *neighbours) takeIn(component ngsild.EntityID, text string) {
	var copies []copyRecord
	if err := json.Unmarshal([]byte(text), &copies); err != nil {
		n.log.Warn("a record of what was handed over cannot be read", "entity", component, "err", err)
		return
	}
	n.records[component] = text
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	for _, c := range copies {
		if c.Since.After(now) || c.Since.UTC().Year() < 0 {
			c.Since = now // noted by a clock that was wrong, or a time that cannot be written again
		}
		if known := n.copyOf(component, c.Domain); known.print != "" {
			known.kept = true
			continue
		}
		*n.copyOf(component, c.Domain) = copied{domain: c.Domain, service: c.Service, url: c.URL, element: c.Element, from: c.From,
			since: c.Since, aside: c.Aside, kept: true, print: recalled, done: recalled,
			want: &allocation.Allocation{Component: component, Service: c.Service, Element: c.Element}}
	}
}

// listing is called before the records are listed once more: what is written from now
// on that list may hold or not.
func (n *neighbours) listing() {
	n.saving.Lock()
	defer n.saving.Unlock()
	n.crossed = map[ngsild.EntityID]bool{}
}

// listed compares what is known with a list of the records. What the list holds is
// taken in, since the broker may have been empty at our start and restored later.
// What the broker has lost, as lost says of a record's id, stays known and is written again.
func (n *neighbours) listed(ctx context.Context, texts map[ngsild.EntityID]string, lost func(record ngsild.EntityID) bool) {
	n.saving.Lock()
	for component, text := range texts {
		if !n.crossed[component] && text != n.records[component] {
			n.takeIn(component, text)
		}
	}
	maps.DeleteFunc(n.records, func(component ngsild.EntityID, _ string) bool {
		return !n.crossed[component] && lost(n.recordID(component))
	})
	all := slices.Collect(maps.Keys(n.records))
	n.crossed = nil
	n.saving.Unlock()
	n.mu.Lock()
	all = slices.AppendSeq(all, maps.Keys(n.copies))
	n.mu.Unlock()
	slices.Sort(all)
	for _, component := range slices.Compact(all) {
		if err := n.record(ctx, component); err != nil {
			n.log.Warn("will try again", "entity", component, "err", err)
			return
		}
	}
}

// recalledAll are the components that other domains may have.
func (n *neighbours) recalledAll() []ngsild.EntityID {
	n.mu.Lock()
	defer n.mu.Unlock()
	var ids []ngsild.EntityID
	for id, of := range n.copies {
		for _, c := range of {
			if c.kept && c.done != goneThere {
				ids = append(ids, id)
				break
			}
		}
	}
	return ids
}

// record has the broker hold what is known of a component's copies, if it does not.
func (n *neighbours) record(ctx context.Context, component ngsild.EntityID) error {
	n.saving.Lock()
	defer n.saving.Unlock()
	if n.records == nil {
		return errors.New("what was handed over before is not known yet")
	}
	text := n.recordOf(component)
	was, there := n.records[component]
	if was == text {
		return nil
	}
	if n.crossed != nil {
		n.crossed[component] = true
	}
	id := n.recordID(component)
	if text == "" {
		if err := n.broker.DeleteEntity(ctx, id); err != nil && !isNotFound(err) {
			return fmt.Errorf("delete the record of a hand-over: %w", err)
		}
		delete(n.records, component)
		return nil
	}
	err := ngsild.ErrNotFound
	if there {
		err = n.broker.Merge(ctx, id, n.attributes(component, text))
	}
	if isNotFound(err) {
		if err = n.broker.CreateEntity(ctx, id, typeHandOver, n.attributes(component, text)); errors.Is(err, ngsild.ErrInvalid) {
			text, err = n.recordOver(ctx, component)
		}
	}
	if err != nil {
		return fmt.Errorf("record a hand-over: %w", err)
	}
	n.records[component] = text
	return nil
}

// recordOver writes a record that is there though it was not known: the answer was lost
// when it was made, or the broker was restored since, and it tells of other copies.
// Caller holds saving.
func (n *neighbours) recordOver(ctx context.Context, component ngsild.EntityID) (text string, err error) {
	id := n.recordID(component)
	texts, err := n.read(ctx, ngsild.Query{Types: []string{typeHandOver}, IDs: []ngsild.EntityID{id}, Local: true})
	if err != nil {
		return "", err
	}
	held, there := texts[component]
	if there {
		n.takeIn(component, held)
	}
	switch text = n.recordOf(component); text {
	case "":
		text = "[]" // the last copy has just gone: whoever saw that has the record deleted
	case held:
		return text, nil
	}
	return text, n.broker.Merge(ctx, id, n.attributes(component, text))
}

func (n *neighbours) recordID(component ngsild.EntityID) ngsild.EntityID {
	return ngsild.EntityID(handOverPrefix + n.agent + ":" + string(component))
}

func (n *neighbours) attributes(component ngsild.EntityID, text string) map[string]any {
	attrs := map[string]any{}
	for name, value := range map[string]string{attrHandOverAgent: n.agent, attrHandOverComponent: string(component), attrHandOverCopies: text} {
		attrs[name] = map[string]any{"type": "Property", "value": value}
	}
	return attrs
}

// recordOf is the text of a component's copies; "" if no other domain has it.
func (n *neighbours) recordOf(component ngsild.EntityID) string {
	var copies []copyRecord
	for _, c := range n.of(component, "") {
		if c.kept {
			copies = append(copies, copyRecord{c.domain, c.service, c.url, c.element, c.from, c.since.UTC(), c.aside})
		}
	}
	if copies == nil {
		return ""
	}
	text, err := json.Marshal(copies)
	if err != nil {
		return "[]" // texts and a time of this age can always be written
	}
	return string(text)
}
