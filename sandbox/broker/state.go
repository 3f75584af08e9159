package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// stateTenant is a tenant in the state file.
type stateTenant struct {
	Name          string
	Entities      []stateEntity
	Subscriptions []stateSubscription
}

type stateEntity struct {
	ID, Type          string
	Created, Modified instant
	Attrs             []stateAttribute
}

type stateAttribute struct {
	Name              string
	Body              json.RawMessage
	Created, Modified instant
}

// stateSubscription keeps what a client may ask for as a body that could be
// posted, and what only the broker knows beside it.
type stateSubscription struct {
	ID                string
	Body              json.RawMessage
	Q                 string // as it was written
	Context           string
	Active            bool
	State             string
	Saved             counters
	Expires           instant
	Created, Modified instant
}

// save writes the state file, whole and then in place of the old one.
func (b *Broker) save() error {
	if b.options.StateFile == "" {
		return nil
	}
	var out []stateTenant
	for _, t := range b.all() {
		out = append(out, t.state())
	}
	slices.SortFunc(out, func(a, b stateTenant) int { return strings.Compare(a.Name, b.Name) })
	raw, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode broker state: %w", err)
	}
	temporary := b.options.StateFile + ".new"
	if err := os.WriteFile(temporary, raw, 0o600); err != nil {
		return fmt.Errorf("save broker state: %w", err)
	}
	if err := os.Rename(temporary, b.options.StateFile); err != nil {
		return fmt.Errorf("save broker state: %w", err)
	}
	return nil
}

func (t *tenant) state() stateTenant {
	t.mu.RLock()
	entities := make([]*entity, 0, len(t.entities))
	for _, s := range t.order {
		if s.entity != nil {
			entities = append(entities, s.entity)
		}
	}
	out := stateTenant{Name: t.name}
	for _, s := range t.subs {
		out.Subscriptions = append(out.Subscriptions, s.keep())
	}
	t.mu.RUnlock()
	for _, e := range entities {
		o := stateEntity{ID: e.id, Type: e.typ, Created: e.created, Modified: e.modified}
		for _, a := range e.attrs {
			o.Attrs = append(o.Attrs, stateAttribute{a.name, json.RawMessage(a.body), a.created, a.modified})
		}
		out.Entities = append(out.Entities, o)
	}
	return out
}

// keep is the subscription for the state file. Its body is what a GET shows
// without what a POST would refuse.
func (s *subscription) keep() stateSubscription {
	out := stateSubscription{ID: s.id, Active: s.active, State: s.state, Saved: s.saved,
		Expires: s.spec.expires, Created: s.spec.created, Modified: s.spec.modified}
	if url := s.spec.names.url(); url != coreURL {
		out.Context = url
	}
	bare := &subscription{id: s.id, spec: s.spec, state: "active"}
	body := stored(string(appendSubscription(nil, bare, coreNames(), 0, false))).without("expiresAt")
	if s.spec.q != nil {
		body, out.Q = body.without("q"), s.spec.q.source
	}
	notification, _ := body.get("notification")
	out.Body = appendValue(nil, body.with("notification", notification.without("status")))
	return out
}

// load reads the state file. That there is none yet is no error.
func (b *Broker) load() error {
	if b.options.StateFile == "" {
		return nil
	}
	raw, err := os.ReadFile(b.options.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load broker state: %w", err)
	}
	var in []stateTenant
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("load broker state %s: %w", b.options.StateFile, err)
	}
	for _, s := range in {
		if err := b.loadTenant(s); err != nil {
			return fmt.Errorf("load broker state %s: %w", b.options.StateFile, err)
		}
	}
	return nil
}

func (b *Broker) loadTenant(in stateTenant) error {
	t := b.tenant(in.Name, true)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range in.Entities {
		e := &entity{id: o.ID, typ: t.word(o.Type), created: o.Created, modified: o.Modified}
		for _, a := range o.Attrs {
			v, err := parse(string(a.Body))
			if err != nil {
				return fmt.Errorf("entity %s attribute %s: %w", o.ID, a.Name, err)
			}
			e.attrs = append(e.attrs, attribute{t.word(a.Name), string(appendValue(nil, v)), a.Created, a.Modified})
		}
		t.put(e)
	}
	for _, o := range in.Subscriptions {
		s, err := b.loadSubscription(o)
		if err != nil {
			return fmt.Errorf("subscription %s: %w", o.ID, err)
		}
		t.subs = append(t.subs, s)
	}
	return nil
}

func (b *Broker) loadSubscription(o stateSubscription) (*subscription, error) {
	body, err := parse(string(o.Body))
	if err != nil {
		return nil, err
	}
	r := &reading{spec: &spec{names: coreNames(), format: "normalized", accept: "application/json"}}
	if p := r.read(body); p != nil {
		return nil, errors.New(p.title + ": " + p.detail)
	}
	r.spec.expires, r.spec.created, r.spec.modified = o.Expires, o.Created, o.Modified
	if o.Context != "" {
		n, p := b.contextOf(textValue(o.Context))
		if p != nil {
			return nil, errors.New(p.title + ": " + p.detail)
		}
		r.spec.names = n
	}
	if o.Q != "" {
		f, p := parseQ(o.Q, r.spec.names)
		if p != nil {
			return nil, errors.New(p.title + ": " + p.detail)
		}
		r.spec.q = f
	}
	return &subscription{id: o.ID, spec: r.spec, active: o.Active, state: o.State, counters: o.Saved, saved: o.Saved}, nil
}
