package agent

import (
	"encoding/json"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// health is what /readyz shows. Only the listeners and a drain decide its code:
// an agent that is taken out of its Service because the broker is down would
// get no notifications when the broker is back. Safe for concurrent use.
type health struct {
	mu        sync.Mutex
	listening bool
	draining  bool
	details   map[string]string
	checks    map[string]func() string // asked when /readyz is
	resynced  time.Time
}

func newHealth() *health {
	return &health{details: map[string]string{"broker": "not asked yet", "resync": "none yet"}, checks: map[string]func() string{}}
}

func (h *health) set(what, how string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.details[what] = how
}

func (h *health) update(change func(*health)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

func (h *health) lastResync() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.resynced
}

// ServeHTTP answers /readyz.
func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	ready := h.listening && !h.draining
	for name, check := range h.checks {
		h.details[name] = check()
	}
	body, err := json.MarshalIndent(map[string]any{"ready": ready, "draining": h.draining, "details": h.details}, "", "  ")
	h.mu.Unlock()
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

// opsHandler serves what only operators see. Where callers' certificates are
// known, everything but the probes needs one.
func opsHandler(gatherer prometheus.Gatherer, ready http.Handler, cfg *Config) http.Handler {
	mux := http.NewServeMux()
	known := func(next http.Handler) http.Handler { return next }
	if cfg.OpsClientCAFile != "" {
		known = withCertificate
	}
	mux.Handle("GET /metrics", known(promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{})))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // the prober went away
	})
	mux.Handle("GET /readyz", ready)
	if cfg.OpsDebug {
		mux.Handle("POST /debug/free-memory", known(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			debug.FreeOSMemory() // so that a measurement sees what is kept, not what was garbage
			w.WriteHeader(http.StatusNoContent)
		})))
	}
	return http.MaxBytesHandler(mux, 0) // nothing here has a body
}

// withCertificate lets in who showed a certificate that the listener has verified.
func withCertificate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			http.Error(w, "a client certificate is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
