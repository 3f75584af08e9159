package agent

import (
	"cmp"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// serveAllocations adds the HLO_AL interface to the public face. Paths are the
// same with and without a slash at their end.
func (r *reconciler) serveAllocations(router *mux.Router, g *gate) {
	const (
		base      = "/hlo_al/services/{service_id}"
		component = base + "/service_components/{service_component_id}"
	)
	add := func(operation, method, path string, f func(http.ResponseWriter, *http.Request)) {
		h := g.wrap(r.counted(operation, f))
		router.Handle(path, h).Methods(method)
		router.Handle(path+"/", h).Methods(method)
	}
	add("allocate", http.MethodPost, base, r.postAllocation)
	add("update", http.MethodPut, component, r.putAllocation)
	add("show", http.MethodGet, component, r.getAllocation)
	add("deallocate", http.MethodDelete, component, r.deleteAllocation)
	add("delete-overlay", http.MethodDelete, base+"/overlay", r.deleteOverlay)
	router.HandleFunc("/hlo_al/openapi.json", serveOpenAPI).Methods(http.MethodGet)
	for path, allowed := range map[string]string{base: "POST", component: "DELETE, GET, PUT", base + "/overlay": "DELETE"} {
		wrong := func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", allowed)
			problemDocument{Status: http.StatusMethodNotAllowed, Type: "method", Title: "This method is not known here"}.write(w)
		}
		router.HandleFunc(path, wrong)
		router.HandleFunc(path+"/", wrong)
	}
	router.PathPrefix("/hlo_al").HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		problemDocument{Status: http.StatusNotFound, Type: "path", Title: "There is nothing at this path"}.write(w)
	})
}

// counted measures an operation.
func (r *reconciler) counted(operation string, f func(http.ResponseWriter, *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		began := time.Now()
		noted := &noted{ResponseWriter: w, code: http.StatusOK}
		f(noted, req)
		r.metrics.apiRequests.WithLabelValues(operation, strconv.Itoa(noted.code)).Inc()
		r.metrics.apiSeconds.WithLabelValues(operation).Observe(time.Since(began).Seconds())
	})
}

// noted remembers the status code of an answer.
type noted struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (n *noted) WriteHeader(code int) {
	n.code = code
	n.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }

func (r *reconciler) postAllocation(w http.ResponseWriter, req *http.Request) {
	service, _, ok := pathIDs(w, req)
	if !ok {
		return
	}
	placed, ok := queryFlag(w, req, "placed")
	if !ok {
		return
	}
	body, ok := readJSON(w, req)
	if !ok {
		return
	}
	asked, err := allocation.Decode(body, service)
	if err != nil {
		badBody(w, err)
		return
	}
	if err := r.allocate(req.Context(), asked.Allocation, placed); err != nil {
		r.refuse(w, asked.Component, err)
		return
	}
	code := http.StatusOK
	if asked.Form == allocation.Newer {
		code = http.StatusCreated
	}
	accepted(w, code, "service component allocated for service component: "+string(asked.Component))
}

func (r *reconciler) putAllocation(w http.ResponseWriter, req *http.Request) {
	service, id, ok := pathIDs(w, req)
	if !ok {
		return
	}
	placed, ok := queryFlag(w, req, "placed")
	if !ok {
		return
	}
	body, ok := readJSON(w, req)
	if !ok {
		return
	}
	asked, err := allocation.DecodeUpdate(body, service, id)
	if err != nil {
		badBody(w, err)
		return
	}
	over := func(is *allocation.Allocation) allocation.Allocation {
		want := asked.Over(is)
		want.EnvVars, want.CLIArgs = keepPairs(is.EnvVars, want.EnvVars), keepPairs(is.CLIArgs, want.CLIArgs)
		return want
	}
	if err := r.change(req.Context(), service, id, over, placed); err != nil {
		r.refuse(w, id, err)
		return
	}
	accepted(w, http.StatusOK, "service component allocation parameters updated")
}

func (r *reconciler) getAllocation(w http.ResponseWriter, req *http.Request) {
	service, id, ok := pathIDs(w, req)
	if !ok {
		return
	}
	a, state, ok := r.shown(id)
	if !ok || a.Service != service {
		r.notAllocated().write(w)
		return
	}
	a.EnvVars, a.CLIArgs = hidePairs(a.EnvVars), hidePairs(a.CLIArgs)
	text, err := a.Shown(state)
	if err != nil {
		r.log.Error("an allocation cannot be written", "entity", id, "err", err)
		problemDocument{Status: http.StatusInternalServerError, Type: "internal", Title: "Internal error"}.write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n')) // the caller went away
}

// hidePairs is a copy in which the values that may be credentials are masked.
func hidePairs(list []allocation.Pair) []allocation.Pair {
	list = slices.Clone(list)
	for i := range list {
		if p := &list[i]; mentionsSecret(p.Key) && p.Value != "" {
			p.Value = masked
		} else {
			p.Value = hideText(p.Value)
		}
	}
	return list
}

// keepPairs is next with the values of now where it has them masked: who sends back what a GET showed does not mean them.
func keepPairs(now, next []allocation.Pair) []allocation.Pair {
	next = slices.Clone(next)
	shown := hidePairs(now)
	for i := range next {
		if at := slices.Index(shown, next[i]); at >= 0 {
			next[i] = now[at]
		}
	}
	return next
}

// shown is what a component that is there is made of, whoever ordered it, and how it stands.
func (r *reconciler) shown(id ngsild.EntityID) (allocation.Allocation, allocation.State, bool) {
	live := r.clusters.ByEntity(string(id))
	if kept, ok := r.desk.recorded(id, live); ok {
		if kept.state.Phase == "" && len(live) > 0 {
			kept.state = r.stateOf(live[0])
		}
		return kept.Allocation, kept.state, true
	}
	if len(live) == 0 {
		return allocation.Allocation{}, allocation.State{}, false
	}
	v, _ := r.tracker.get(id)
	a := allocation.FromEntity(&v.entity, ngsild.EntityID(live[0].Annotations[llo.ServiceAnnotation]), r.links.known(v.entity.Links("networkPorts")))
	a.Component, a.Element = id, elementOf(live[0])
	return a, r.stateOf(live[0]), true
}

func (r *reconciler) stateOf(l *llo.Live) allocation.State {
	s := r.rules().Observe(l.Object())
	return allocation.State{Phase: string(s.Phase), Reason: s.Reason, Message: s.Message}
}

func (r *reconciler) deleteAllocation(w http.ResponseWriter, req *http.Request) {
	service, id, ok := pathIDs(w, req)
	if !ok {
		return
	}
	moved, ok := queryFlag(w, req, "moved")
	if !ok {
		return
	}
	if err := r.deallocate(req.Context(), service, id, moved); err != nil {
		r.refuse(w, id, err)
		return
	}
	accepted(w, http.StatusOK, "Service component deallocated")
}

func (r *reconciler) deleteOverlay(w http.ResponseWriter, req *http.Request) {
	service, _, ok := pathIDs(w, req)
	if !ok {
		return
	}
	err := error(refused(http.StatusNotFound, "no-overlay", "The service has no overlay network here", ""))
	if r.overlays != nil {
		err = r.overlays.takeDown(req.Context(), service)
	}
	if err != nil {
		r.refuse(w, service, err)
		return
	}
	accepted(w, http.StatusOK, "Service overlay network is being removed")
}

// refuse answers that something was not carried out, and why.
func (r *reconciler) refuse(w http.ResponseWriter, id ngsild.EntityID, err error) {
	no := asRefusal(err)
	r.log.Info("a request of others was refused", "entity", id, "status", no.Status, "type", no.Type, "reason", no.Detail)
	no.write(w)
}

// pathIDs reads the ids in a path. ok is false when the refusal is written already.
func pathIDs(w http.ResponseWriter, req *http.Request) (service, component ngsild.EntityID, ok bool) {
	var faults allocation.Faults
	read := func(name string) ngsild.EntityID {
		raw, there := mux.Vars(req)[name]
		text, err := url.PathUnescape(raw)
		if there && (err != nil || !allocation.ValidID(text)) {
			faults = append(faults, allocation.Fault{Path: "{" + name + "}", Rule: "must be the URI of an entity"})
		}
		return ngsild.EntityID(text)
	}
	service, component = read("service_id"), read("service_component_id")
	if len(faults) > 0 {
		badBody(w, faults)
	}
	return service, component, len(faults) == 0
}

// queryFlag reads a boolean parameter of the query, false where it is not given. ok is
// false when the refusal is written already.
func queryFlag(w http.ResponseWriter, req *http.Request, name string) (is, ok bool) {
	is, err := strconv.ParseBool(cmp.Or(req.URL.Query().Get(name), "false"))
	if err != nil {
		badBody(w, allocation.Faults{{Path: "?" + name, Rule: "must be true or false"}})
	}
	return is, err == nil
}

// readJSON reads a body that must be JSON. ok is false when the refusal is
// written already.
func readJSON(w http.ResponseWriter, req *http.Request) (body []byte, ok bool) {
	if kind := req.Header.Get("Content-Type"); kind != "" {
		if name, _, err := mime.ParseMediaType(kind); err != nil || (name != "application/json" && !strings.HasSuffix(name, "+json")) {
			problemDocument{Status: http.StatusUnsupportedMediaType, Type: "media-type", Title: "The body must be JSON"}.write(w)
			return nil, false
		}
	}
	return readBody(w, req)
}

// badBody names everything that is wrong with a request.
func badBody(w http.ResponseWriter, err error) {
	var faults allocation.Faults
	errors.As(err, &faults) // whatever else it could be has no details to tell
	problemDocument{Status: http.StatusBadRequest, Type: "invalid", Title: "Invalid service component object", Faults: faults}.write(w)
}

// accepted answers as the services do that others know.
func accepted(w http.ResponseWriter, code int, status string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": status}) // the caller went away
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	text, err := json.Marshal(allocation.OpenAPI())
	if err != nil {
		problemDocument{Status: http.StatusInternalServerError, Type: "internal", Title: "Internal error"}.write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the caller went away
}
