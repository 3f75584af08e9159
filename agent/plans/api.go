package plans

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// mostBody bounds a request, in bytes.
const mostBody = 512 << 10

// Handler answers /v1/plans and what is below it. Who may call is the matter of
// whoever mounts it; Open answers what everybody may ask.
func (b *Book) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/plans", methods{http.MethodGet: b.getAll, http.MethodPost: b.post})
	mux.Handle("/v1/plans/validate", methods{http.MethodPost: b.validate})
	mux.Handle("/v1/plans/{id}", methods{http.MethodGet: b.get, http.MethodDelete: b.delete})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		problem{Status: http.StatusNotFound, Type: "not-found", Title: "There is nothing at this path"}.write(w)
	})
	return mux
}

// Open answers what needs no credentials: whether the interface is there, and its
// description.
func Open() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/plans/healthcheck", methods{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, struct{}{}) }})
	mux.Handle("/{$}", methods{http.MethodGet: versions})
	mux.Handle("/v1/openapi.json", methods{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, OpenAPI()) }})
	return mux
}

// versions says which interfaces there are.
func versions(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"versions": []map[string]any{{
		"id": "v1", "status": "CURRENT", "version": OpenAPI().Info.Version, "links": []link{{"/v1/plans", "self"}, {"/v1/openapi.json", "describedby"}},
		"media-types": []string{"application/json"},
	}}})
}

// methods are the handlers of one path.
type methods map[string]http.HandlerFunc

// ServeHTTP implements http.Handler.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h, ok := m[r.Method]; ok {
		h(w, r)
		return
	}
	allowed := []string{http.MethodOptions}
	for name := range m {
		allowed = append(allowed, name)
	}
	slices.Sort(allowed)
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	problem{Status: http.StatusMethodNotAllowed, Type: "method", Title: "This path does not take the method"}.write(w)
}

// read reads the order of a request. ok is false when the refusal is written.
func read(w http.ResponseWriter, r *http.Request) (o order, t *homing.Template, wrong []*homing.PathError, ok bool) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "" && !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		problem{Status: http.StatusUnsupportedMediaType, Type: "media-type", Title: "The body must be application/json"}.write(w)
		return o, nil, nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		tooLarge(w)
		return o, nil, nil, false
	case err != nil:
		problem{Status: http.StatusBadRequest, Type: "unreadable", Title: "The body could not be read"}.write(w)
		return o, nil, nil, false
	}
	o, wrong = decodeOrder(body)
	if len(wrong) > 0 {
		problem{Status: http.StatusBadRequest, Type: "request", Title: "The request is not right", Errors: wrong}.write(w)
		return o, nil, nil, false
	}
	t, wrong = o.parse()
	return o, t, wrong, true
}

func tooLarge(w http.ResponseWriter) {
	problem{Status: http.StatusRequestEntityTooLarge, Type: "too-large", Title: "The body is too large", Detail: fmt.Sprintf("At most %d bytes are taken.", mostBody)}.write(w)
}

// post accepts a plan. With ?dry_run=translate it is only validated.
func (b *Book) post(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("dry_run") == "translate" {
		b.validate(w, r)
		return
	}
	o, _, wrong, ok := read(w, r)
	if !ok {
		return
	}
	if len(wrong) > 0 {
		templateProblem(http.StatusBadRequest, wrong).write(w)
		return
	}
	now := b.Now()
	p := plan{ID: b.newID(), Owner: b.Owner, Status: Accepted, Created: now, Changed: now, Transaction: clip(r.Header.Get("transaction-id"))}
	p.Hold = min(time.Duration(o.Hold)*time.Second, b.Keep)
	if o.Name == "" {
		o.Name = p.ID
	}
	p.Name = o.Name
	var err error
	if p.Order, err = compact(o); err == nil {
		err = b.add(r.Context(), p)
	}
	switch {
	case errors.Is(err, errTooLarge):
		tooLarge(w)
	case errors.Is(err, errFull):
		problem{Status: http.StatusTooManyRequests, Type: "full", Title: "Too many plans wait", Detail: fmt.Sprintf("At most %d are kept.", b.Most), retryAfter: 30 * time.Second}.write(w)
	case err != nil:
		b.unavailable(w, err)
	default:
		w.Header().Set("Location", "/v1/plans/"+p.ID)
		answer(w, http.StatusCreated, p.view())
	}
}

func clip(text string) string { return strings.ToValidUTF8(text[:min(len(text), mostName)], "") }

// validation is the answer to a template without errors.
type validation struct {
	Valid    bool                `json:"valid"`
	Version  string              `json:"homing_template_version"`
	Warnings []*homing.PathError `json:"warnings,omitempty"`
	homing.Translation
}

// validate says everything that is wrong with a template, for the inventory as it
// is now.
func (b *Book) validate(w http.ResponseWriter, r *http.Request) {
	o, t, wrong, ok := read(w, r)
	if !ok {
		return
	}
	if len(wrong) > 0 {
		templateProblem(http.StatusUnprocessableEntity, wrong).write(w)
		return
	}
	inv, err := b.Inventory(r.Context(), o.Template)
	if err != nil {
		b.unavailable(w, err)
		return
	}
	of, wrong := homing.Translate(t, inv)
	if len(wrong) > 0 {
		templateProblem(http.StatusUnprocessableEntity, within(wrong)).write(w)
		return
	}
	answer(w, http.StatusOK, validation{true, t.Version, t.Warnings, of})
}

func (b *Book) getAll(w http.ResponseWriter, r *http.Request) {
	all, err := b.list(r.Context())
	if err != nil {
		b.unavailable(w, err)
		return
	}
	views := make([]view, len(all))
	for i := range all {
		views[i] = all[i].view()
	}
	answer(w, http.StatusOK, map[string]any{"plans": views})
}

func (b *Book) get(w http.ResponseWriter, r *http.Request) {
	p, err := b.load(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, ngsild.ErrNotFound):
		noPlan(w)
	case err != nil:
		b.unavailable(w, err)
	default:
		answer(w, http.StatusOK, map[string]any{"plans": []view{p.view()}})
	}
}

func (b *Book) delete(w http.ResponseWriter, r *http.Request) {
	_, err := b.load(r.Context(), r.PathValue("id")) // it may be another agent's
	if err == nil {
		err = b.remove(r.Context(), r.PathValue("id"))
	}
	switch {
	case errors.Is(err, ngsild.ErrNotFound):
		noPlan(w)
	case err != nil:
		b.unavailable(w, err)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func noPlan(w http.ResponseWriter) {
	problem{Status: http.StatusNotFound, Type: "no-plan", Title: "There is no plan of this id"}.write(w)
}

// unavailable answers while the broker does not.
func (b *Book) unavailable(w http.ResponseWriter, err error) {
	b.Log.Warn("a request about plans was not answered", "err", err)
	problem{Status: http.StatusServiceUnavailable, Type: "unavailable", Title: "The context broker gives no answer", retryAfter: 5 * time.Second}.write(w)
}

func answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		problem{Status: http.StatusInternalServerError, Type: "internal", Title: "Internal error"}.write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the caller went away
}

// newID is a random UUID (RFC 9562, version 4).
func (b *Book) newID() string {
	var id [16]byte
	if _, err := io.ReadFull(b.Rand, id[:]); err != nil {
		_, _ = rand.Read(id[:]) // which never fails
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	text := hex.EncodeToString(id[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}
