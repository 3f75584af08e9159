package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	texts := map[ngsild.EntityID]string{}
	_, err := broker.List(ctx, ngsild.Query{Types: []string{typeHandOver}, Local: true}, func(page []ngsild.Entity) error {
		for _, e := range page {
			component, _ := e.Text(attrHandOverComponent)
			if by, _ := e.Text(attrHandOverAgent); by == agent && component != "" {
				texts[ngsild.EntityID(component)], _ = e.Text(attrHandOverCopies)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list what was handed over: %v", err) // a list that is not whole is no list here
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for component, text := range texts {
		var copies []copyRecord
		if err := json.Unmarshal([]byte(text), &copies); err != nil {
			n.log.Warn("a record of what was handed over cannot be read", "entity", component, "err", err)
			continue
		}
		for _, c := range copies {
			*n.copyOf(component, c.Domain) = copied{domain: c.Domain, service: c.Service, url: c.URL, element: c.Element, from: c.From,
				since: c.Since, aside: c.Aside, kept: true, print: recalled, done: recalled,
				want: &allocation.Allocation{Component: component, Service: c.Service, Element: c.Element}}
		}
	}
	n.broker, n.agent, n.records = broker, agent, texts
	return nil
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
	id := ngsild.EntityID(handOverPrefix + n.agent + ":" + string(component))
	if text == "" {
		if err := n.broker.DeleteEntity(ctx, id); err != nil && !isNotFound(err) {
			return fmt.Errorf("delete the record of a hand-over: %w", err)
		}
		delete(n.records, component)
		return nil
	}
	attrs := map[string]any{}
	for name, value := range map[string]string{attrHandOverAgent: n.agent, attrHandOverComponent: string(component), attrHandOverCopies: text} {
		attrs[name] = map[string]any{"type": "Property", "value": value}
	}
	err := ngsild.ErrNotFound
	if there {
		err = n.broker.Merge(ctx, id, attrs)
	}
	if isNotFound(err) {
		if err = n.broker.CreateEntity(ctx, id, typeHandOver, attrs); errors.Is(err, ngsild.ErrInvalid) { // its answer was lost before
			err = n.broker.Merge(ctx, id, attrs)
		}
	}
	if err != nil {
		return fmt.Errorf("record a hand-over: %w", err)
	}
	n.records[component] = text
	return nil
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
