package agent

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sync/errgroup"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// RunTenants is the agent for several tenants of a broker: a loop for each, with the
// settings that are its own, behind listeners that they share. It returns when ctx
// has ended and all are done, or when one cannot start. cfg is what getenv says
// without any tenant.
func (o Outside) RunTenants(ctx context.Context, cfg Config, getenv func(string) string, log *slog.Logger) error {
	o = o.orReal()
	all, err := readTenants(cfg.TenantsFile)
	if err != nil {
		return err
	}
	configs, err := tenantConfigs(ctx, all, getenv)
	if err != nil {
		return err
	}
	places, err := keepApart(all, configs, cfg.Kubeconfig, o.Kubernetes)
	if err != nil {
		return fmt.Errorf("TENANTS_FILE %s:\n%w", cfg.TenantsFile, err)
	}
	own, m := prometheus.NewRegistry(), newMetrics(prometheus.NewRegistry())
	own.MustRegister(m.turned, buildInfo(), goMetrics(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	public, ops, _, renewed, err := o.faces(&cfg, m, log)
	if err != nil {
		return err
	}
	defer public.Close()
	defer ops.Close()

	// The listeners end last: a loop that stops goes on answering for a while.
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	loops, stopAll := context.WithCancel(ctx)
	defer stopAll()
	floor := newFloor(all, m, log) // all rooms before anybody comes
	var listeners, tenants errgroup.Group
	process := &service{reconciler: &reconciler{metrics: m, log: log}, health: newHealth()}
	listeners.Go(func() error { return public.Serve(inner, floor.public()) })
	listeners.Go(func() error { return ops.Serve(inner, floor.ops(own, &cfg)) })
	listeners.Go(func() error { return process.keepLoaded(inner, renewed...) })
	for i, t := range all {
		its := o
		its.Kubernetes, its.room = t.kubernetes(o.Kubernetes), floor.rooms[t.name]
		its.room.within = func(now *rules) error { return places[i].within(now, places) }
		tenants.Go(func() error {
			defer stopAll() // if it cannot go on, the process begins anew
			return its.again(loops, configs[i], log.With("tenant", t.name))
		})
	}
	err = tenants.Wait()
	cancel()
	return errors.Join(err, listeners.Wait())
}

// again runs a tenant's loop, and once more when it lost its lead, which is no
// matter of the others.
func (o Outside) again(ctx context.Context, cfg Config, log *slog.Logger) error {
	for {
		err := o.Run(ctx, cfg, log)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrLeadLost) {
			return fmt.Errorf("tenant %s: %w", cfg.Tenant, err)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}

// room is where a tenant's loop finds its listeners: parts of the shared ones. Safe
// for concurrent use.
type room struct {
	tenant tenant
	within func(*rules) error // what rules let write where another tenant is; nil: is not looked at

	mu          sync.Mutex // guards the fields below
	public, ops http.Handler
	metrics     prometheus.Gatherer
}

// face is one part: set says which.
type face struct{ set func(http.Handler) }

// Serve implements Face.
func (f face) Serve(ctx context.Context, h http.Handler) error {
	f.set(h)
	<-ctx.Done()
	f.set(nil)
	return nil
}

// Close implements Face.
func (f face) Close() error { return nil }

// faces are those of a tenant's loop. The public one refuses what comes for another
// tenant than it is for.
func (r *room) faces() (public, ops Face) {
	keep := func(in *http.Handler) Face {
		return face{func(h http.Handler) { r.mu.Lock(); defer r.mu.Unlock(); *in = h }}
	}
	return keep(&r.public), keep(&r.ops)
}

func (r *room) handlers() (public, ops http.Handler, metrics prometheus.Gatherer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.public, r.ops, r.metrics
}

func (r *room) measure(metrics prometheus.Gatherer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.metrics = metrics
}

// floor leads from the shared listeners to the tenants' rooms, which do not change.
type floor struct {
	rooms  map[string]*room
	nobody http.Handler // for whom there is no room
}

// newFloor makes a room for each tenant.
func newFloor(all []tenant, m *metrics, log *slog.Logger) *floor {
	f := &floor{rooms: map[string]*room{}}
	for _, t := range all {
		f.rooms[t.name] = &room{tenant: t}
	}
	closed := &service{reconciler: &reconciler{metrics: m, log: log}, room: &room{}, gate: &gate{metrics: m, log: log}}
	closed.receiver = ngsild.NewReceiver(ngsild.ReceiverConfig{Secret: func() []string { return []string{rand.Text()} }})
	f.nobody = closed.routes()
	return f
}

// public leads by the path: /tenants/NAME/… A request that names another tenant in
// NGSILD-Tenant, as brokers do in notifications, is not let in. Whether there is a
// tenant of a name is nothing that strangers are told: whoever has no credentials that
// count for it gets the answer that he gets for one that is not there.
func (f *floor) public() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		rest, below := strings.CutPrefix(req.URL.Path, "/tenants/")
		name, _, inside := strings.Cut(rest, "/")
		if !below || !inside {
			problemDocument{Status: http.StatusNotFound, Type: "path", Title: "There is nothing at this path",
				Detail: "Everything here is below /tenants/ and the name of a tenant."}.write(w)
			return
		}
		public := f.nobody
		if r, known := f.rooms[name]; known && r.named(req) {
			public, _, _ = r.handlers()
		}
		if public == nil {
			problemDocument{Status: http.StatusServiceUnavailable, Type: "starting", Title: "The agent of this tenant does not listen now", retryAfter: time.Second}.write(w)
			return
		}
		answer := &alike{ResponseWriter: w}
		http.StripPrefix("/tenants/"+name, public).ServeHTTP(answer, req)
		if answer.refused {
			refuseStranger(w, req)
		}
	})
}

// named says whether a request names no other tenant than that of the room.
func (r *room) named(req *http.Request) bool {
	named := req.Header.Values("NGSILD-Tenant")
	return len(named) == 0 || len(named) == 1 && r.tenant.is(named[0])
}

// alike holds back an answer that refuses, so that all of them can be made one.
type alike struct {
	http.ResponseWriter
	refused bool
}

// WriteHeader implements http.ResponseWriter.
func (a *alike) WriteHeader(code int) {
	if code == http.StatusUnauthorized || code == http.StatusForbidden {
		a.refused = true
		clear(a.Header())
		return
	}
	a.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (a *alike) Write(text []byte) (int, error) {
	if a.refused {
		return len(text), nil
	}
	return a.ResponseWriter.Write(text)
}

// Unwrap is for http.ResponseController.
func (a *alike) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// refuseStranger is the one refusal of all tenants, and of those that are none.
func refuseStranger(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="hlo-agent"`)
	problemDocument{Status: http.StatusUnauthorized, Type: "unauthenticated", Title: "Credentials are needed",
		Detail: "There is no such tenant here, or these credentials do not count for it."}.write(w)
}

// ops is what operators see of all: own and the tenants' metrics with a label, and
// whether everybody is ready.
func (f *floor) ops(own prometheus.Gatherer, cfg *Config) http.Handler {
	gather := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		all := prometheus.Gatherers{own}
		for _, name := range slices.Sorted(maps.Keys(f.rooms)) {
			if _, _, metrics := f.rooms[name].handlers(); metrics != nil {
				all = append(all, labelled(name, metrics))
			}
		}
		return all.Gather()
	})
	return opsHandler(gather, http.HandlerFunc(f.readyz), cfg)
}

// readyz asks every tenant's loop; one that is not ready makes the whole not ready.
func (f *floor) readyz(w http.ResponseWriter, req *http.Request) {
	ready, tenants := true, map[string]json.RawMessage{}
	for name, r := range f.rooms {
		_, ops, _ := r.handlers()
		if ops == nil {
			ready, tenants[name] = false, json.RawMessage(`{"ready":false}`)
			continue
		}
		one := httptest.NewRecorder()
		ops.ServeHTTP(one, req)
		ready = ready && one.Code == http.StatusOK
		tenants[name] = one.Body.Bytes()
	}
	body, err := json.MarshalIndent(map[string]any{"ready": ready, "tenants": tenants}, "", "  ")
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(body, '\n')) // the prober went away
}

// labelled are the metrics of one tenant, without those of the whole process.
func labelled(tenant string, metrics prometheus.Gatherer) prometheus.Gatherer {
	name := "tenant"
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := metrics.Gather()
		families = slices.DeleteFunc(families, func(f *dto.MetricFamily) bool {
			return !strings.HasPrefix(f.GetName(), "hlo_agent_") || f.GetName() == "hlo_agent_build_info" || f.GetName() == "hlo_agent_connections_refused_total"
		})
		for _, f := range families {
			for _, m := range f.Metric {
				m.Label = append(slices.Clone(m.Label), &dto.LabelPair{Name: &name, Value: &tenant})
				slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
			}
		}
		return families, err
	})
}
