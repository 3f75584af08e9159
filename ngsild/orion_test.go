package ngsild

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// orion holds subscriptions by the rules that were recorded of Orion-LD:
// patches merge, null is refused, receiverInfo only gains keys, an expiry does
// not revive.
type orion struct {
	*httptest.Server
	mu       sync.Mutex
	stored   map[string]*Subscription
	requests []string
	refuse   map[string]string // "POST" → answer status and title, e.g. "403 no"
	numb     bool              // patches are answered and ignored
	before   func(method string)
}

func newOrion(t testing.TB) *orion {
	t.Helper()
	o := &orion{stored: map[string]*Subscription{}, refuse: map[string]string{}}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

func (o *orion) client() *Client {
	return NewClient(ClientConfig{BaseURL: o.URL, Transport: o.Server.Client().Transport})
}

// change edits a stored subscription behind the keeper's back.
func (o *orion) change(id string, edit func(*Subscription)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	edit(o.stored[id])
}

func (o *orion) drop(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.stored, id)
}

func (o *orion) get(id string) *Subscription {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stored[id]
}

// did returns the requests since the last call, reads left out.
func (o *orion) did() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var writes []string
	for _, r := range o.requests {
		if !strings.HasPrefix(r, "GET") {
			writes = append(writes, r)
		}
	}
	o.requests = nil
	return writes
}

func (o *orion) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.before != nil {
		o.before(r.Method)
	}
	var body map[string]any
	if r.Method == http.MethodPost || r.Method == http.MethodPatch {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			panic(err)
		}
	}
	id := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/ngsi-ld/v1/subscriptions"), "/")
	line := r.Method
	if r.Method == http.MethodPatch {
		text, _ := json.Marshal(body)
		line += " " + string(text)
	}
	o.requests = append(o.requests, line)
	if refusal := o.refuse[r.Method]; refusal != "" {
		var status int
		_, _ = fmt.Sscan(refusal, &status)
		o.problem(w, status, "BadRequestData", strings.TrimSpace(refusal[3:]), id)
		return
	}
	if r.Method == http.MethodPost {
		o.create(w, body)
		return
	}
	s, ok := o.stored[id]
	switch {
	case !ok && r.Method == http.MethodGet:
		o.problem(w, 404, "ResourceNotFound", "subscription not found", id)
	case !ok:
		o.problem(w, 404, "ResourceNotFound", "Subscription not found", id)
	case r.Method == http.MethodGet:
		_ = json.NewEncoder(w).Encode(s)
	case r.Method == http.MethodDelete:
		delete(o.stored, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		o.patch(w, s, body)
	}
}

func (o *orion) problem(w http.ResponseWriter, status int, kind, title, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"type": "https://uri.etsi.org/ngsi-ld/errors/" + kind, "title": title, "detail": detail})
}

func (o *orion) create(w http.ResponseWriter, body map[string]any) {
	var s Subscription
	remarshal(body, &s)
	if _, taken := o.stored[s.ID]; taken {
		o.problem(w, 409, "AlreadyExists", "Subscription already exists", s.ID)
		return
	}
	yes := true
	s.IsActive, s.Status, s.Notification.Status = &yes, "active", "ok"
	o.stored[s.ID] = &s
	w.WriteHeader(http.StatusCreated)
}

func (o *orion) patch(w http.ResponseWriter, s *Subscription, body map[string]any) {
	for field, value := range body {
		if value == nil {
			o.problem(w, 400, "BadRequestData", "Not a JSON String", "Subscription::"+field)
			return
		}
	}
	if !o.numb {
		headers := s.Notification.Endpoint.ReceiverInfo
		var document map[string]any
		remarshal(s, &document)
		var patched Subscription
		remarshal(mergeInto(document, body), &patched)
		patched.Notification.Endpoint.ReceiverInfo = gain(headers, patched.Notification.Endpoint.ReceiverInfo)
		if patched.IsActive != nil && s.Status != "expired" {
			patched.Status = map[bool]string{true: "active", false: "paused"}[*patched.IsActive]
		}
		*s = patched
	}
	w.WriteHeader(http.StatusNoContent)
}

func mergeInto(to, from map[string]any) map[string]any {
	for key, value := range from {
		inner, isObject := value.(map[string]any)
		old, wasObject := to[key].(map[string]any)
		if isObject && wasObject {
			value = mergeInto(old, inner)
		}
		to[key] = value
	}
	return to
}

func gain(old, add []KeyValue) []KeyValue {
	all := append([]KeyValue(nil), old...)
	for _, header := range add {
		found := false
		for i := range all {
			if all[i].Key == header.Key {
				all[i], found = header, true
			}
		}
		if !found {
			all = append(all, header)
		}
	}
	return all
}

func remarshal(from, to any) {
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		panic(err)
	}
}
