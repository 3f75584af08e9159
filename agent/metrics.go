package agent

import (
	"regexp"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"k8s.io/client-go/util/workqueue"
)

// metrics are what the agent shows at /metrics. Labels are bounded sets; the
// README's table is compared with what is registered by a test.
type metrics struct {
	notifications    *prometheus.CounterVec
	reconciles       *prometheus.CounterVec
	reconcileSeconds prometheus.Histogram
	queueDepth       prometheus.Gauge
	queueWait        prometheus.Histogram
	applies          *prometheus.CounterVec
	takeovers        *prometheus.CounterVec
	brokerRequests   *prometheus.CounterVec
	systemRequests   *prometheus.CounterVec
	plans            *prometheus.CounterVec
	brokerSeconds    *prometheus.HistogramVec
	kubeRequests     *prometheus.CounterVec
	kubeSeconds      *prometheus.HistogramVec
	statusWrites     *prometheus.CounterVec
	lag              *prometheus.HistogramVec
	foreignReports   prometheus.Counter
	resyncs          *prometheus.CounterVec
	subscriptionOK   *prometheus.GaugeVec
	repairs          prometheus.Counter
	loaded           *prometheus.GaugeVec
	reloads          *prometheus.CounterVec
	authOff          prometheus.Gauge
	apiRequests      *prometheus.CounterVec
	apiSeconds       *prometheus.HistogramVec
	apiRefused       *prometheus.CounterVec
	handovers        *prometheus.CounterVec
	messages         *prometheus.CounterVec
	homingDecisions  *prometheus.CounterVec
	homingSeconds    prometheus.Histogram
	turned           *prometheus.CounterVec
	events           *prometheus.CounterVec
}

// latency covers a millisecond to two minutes.
var latency = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}

func newMetrics(reg prometheus.Registerer) *metrics {
	count := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hlo_agent_" + name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	took := func(name, help string, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "hlo_agent_" + name, Help: help, Buckets: latency}, labels)
		reg.MustRegister(h)
		return h
	}
	depth := prometheus.NewGauge(prometheus.GaugeOpts{Name: "hlo_agent_queue_depth", Help: "Entities that wait for a pass."})
	subscribed := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hlo_agent_subscription_healthy", Help: "1 while the broker keeps and serves the subscription as wanted."}, []string{"subscription"})
	loaded := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hlo_agent_current", Help: "1 while what the files say is in use; 0 while it is refused and what was before stays in use."}, []string{"what"})
	open := prometheus.NewGauge(prometheus.GaugeOpts{Name: "hlo_agent_api_authentication_off", Help: "1 when everybody may call, since API_AUTH says off."})
	reg.MustRegister(open, loaded, depth, subscribed, goMetrics(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	m := &metrics{
		notifications:    count("notifications_total", "Notifications by result.", "result"),
		reconciles:       count("reconciles_total", "Passes by result.", "result"),
		reconcileSeconds: took("reconcile_duration_seconds", "Duration of a pass.").WithLabelValues().(prometheus.Histogram),
		queueDepth:       depth,
		queueWait:        took("queue_wait_seconds", "Time that an entity waited for its pass.").WithLabelValues().(prometheus.Histogram),
		applies:          count("applies_total", "Objects by kind and action: none, created, updated, adopted, deleted, orphaned.", "kind", "action"),
		takeovers:        count("field_takeovers_total", "Fields taken back from other field managers.", "kind"),
		brokerRequests:   count("broker_requests_total", "Requests to the broker by verb and status code (0: no answer).", "verb", "code"),
		plans:            count("plans_total", "Plans that came to their end, by status: done, not_found, error.", "status"),
		systemRequests:   count("system_requests_total", "Requests to the systems of HOMING_SYSTEMS by name and result: ok, error.", "system", "result"),
		brokerSeconds:    took("broker_request_duration_seconds", "Latency of the broker.", "verb"),
		kubeRequests:     count("kubernetes_requests_total", "Requests to the API server by verb, kind and status code (0: no answer).", "verb", "kind", "code"),
		kubeSeconds:      took("kubernetes_request_duration_seconds", "Latency of the API server.", "verb"),
		statusWrites:     count("status_writes_total", "Status write-backs by result.", "result"),
		lag:              took("lag_seconds", "From notifiedAt to the object applied, and to the end state reported.", "stage"),
		foreignReports:   count("foreign_reports_total", "Reports of other writers in serviceComponentStatus that differ from the object's state.").WithLabelValues(),
		resyncs:          count("resyncs_total", "Full comparisons by result.", "result"),
		subscriptionOK:   subscribed,
		loaded:           loaded,
		turned:           count("connections_refused_total", "Connections that were closed at once, by listener (public, ops) and reason: address (not allowed here) or share (one address held half of all).", "listener", "reason"),
		reloads:          count("reloads_total", "Changes of files by what they hold and result: ok is in use, error is refused.", "what", "result"),
		repairs:          count("subscription_repairs_total", "Subscriptions created or repaired.").WithLabelValues(),
		authOff:          open,
		apiRequests:      count("api_requests_total", "Requests of callers that were let in, by operation and status code.", "operation", "code"),
		apiSeconds:       took("api_request_duration_seconds", "Time to answer them.", "operation"),
		apiRefused:       count("api_refused_total", "Requests that were not let in: closed, unauthenticated, forbidden, rate, size, unavailable.", "reason"),
		events:           count("events_total", "Kubernetes Events by what became of them: ok, error, dropped (there were too many).", "result"),
		handovers:        count("handovers_total", "Requests to other domains by what came of them: accepted, removed, absent, overtaken, refused, unreachable.", "result"),
		messages:         count("messages_total", "Allocations in messages by result: carried, refused (they are in the dead-letter topic), retried; and messages that are unreadable.", "result"),
		homingDecisions:  count("homing_decisions_total", "Services solved by result (chosen, none, invalid, missing, timeout), and choices of elements by what became of them (placed, moved, outdated).", "result"),
		homingSeconds:    took("homing_duration_seconds", "Time to solve one service.").WithLabelValues().(prometheus.Histogram),
	}
	// What is rare begins at 0, or the first time would not be seen as an increase.
	for of, labels := range map[*prometheus.CounterVec][]string{
		m.reconciles: {"done", "superseded", "retry"}, m.resyncs: {"ok", "error"}, m.statusWrites: {"ok", "error"},
		m.events: {"ok", "error", "dropped"}, m.messages: {"carried", "refused", "retried", "unreadable"},
	} {
		for _, label := range labels {
			of.WithLabelValues(label)
		}
	}
	return m
}

// watchState registers the gauges that are read when they are asked for.
func (r *reconciler) watchState(reg prometheus.Registerer, lastResync func() time.Time, messageLag func() float64, leads func() bool) {
	gauge := func(name, help string, f func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hlo_agent_" + name, Help: help}, f))
	}
	gauge("resync_age_seconds", "Time since everything was last listed and compared, whole or not (-1 before the first).", func() float64 {
		at := lastResync()
		if at.IsZero() {
			return -1
		}
		return r.now().Sub(at).Seconds()
	})
	gauge("leader", "1 while this copy acts; without LEADER_ELECTION that is always.", func() float64 {
		if leads() {
			return 1
		}
		return 0
	})
	gauge("silent_domains", "Other domains that are not asked now since they do not answer.", func() float64 {
		if r.neighbours == nil {
			return 0
		}
		return float64(r.neighbours.silent())
	})
	gauge("message_lag", "Allocation messages that are known and not done with.", messageLag)
	gauge("kubernetes_healthy", "1 while every kind that the cluster has can be followed.", func() float64 {
		if _, healthy := r.clusterState(); healthy {
			return 1
		}
		return 0
	})
	gauge("guard_held_entities", "Missing entities whose objects the deletion guard keeps.", func() float64 { return float64(r.guard.held()) })
	gauge("contested_components", "Components whose reported status somebody else keeps changing.", func() float64 {
		n := 0
		r.tracker.each(func(_ entityID, rec *record) {
			if rec.contested {
				n++
			}
		})
		return float64(n)
	})
	gauge("homing_waiting_components", "Components that want an element chosen.", func() float64 { return float64(r.homer.waitingComponents()) })
	gauge("homing_refused_components", "Components that no element was found for, or whose template or requirements are refused.", func() float64 { return float64(r.homer.refusedComponents()) })
	gauge("homing_inventory_age_seconds", "Age of the elements' figures (-1 while there are none).", func() float64 { return r.homer.inventoryAge().Seconds() })
	reg.MustRegister(reached{r, prometheus.NewDesc("hlo_agent_cluster_reachable", "1 while the cluster answers; default is that of KUBECONFIG.", []string{"cluster"}, nil)})
	reg.MustRegister(phases{r.tracker, prometheus.NewDesc("hlo_agent_components", "Components by phase.", []string{"phase"}, nil)})
}

// phases counts the components by phase at each scrape.
type phases struct {
	tracker *tracker
	desc    *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (p phases) Describe(ch chan<- *prometheus.Desc) { ch <- p.desc }

// Collect implements prometheus.Collector.
func (p phases) Collect(ch chan<- prometheus.Metric) {
	n := map[string]int{}
	p.tracker.each(func(_ entityID, rec *record) {
		if rec.phase != "" {
			n[rec.phase]++
		}
	})
	for phase, count := range n {
		ch <- prometheus.MustNewConstMetric(p.desc, prometheus.GaugeValue, float64(count), phase)
	}
}

// reached looks at each scrape which clusters answer.
type reached struct {
	r    *reconciler
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c reached) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c reached) Collect(ch chan<- prometheus.Metric) {
	for _, name := range c.r.clusters.names() {
		answers := 1.0
		if c.r.clusters.lost(name, 0) != nil {
			answers = 0
		}
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, answers, name)
	}
}

func buildInfo() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hlo_agent_build_info", Help: "1, with the version as label.",
		ConstLabels: prometheus.Labels{"version": Version(), "go": goVersion()},
	}, func() float64 { return 1 })
}

// version is set by the linker where a release is built.
var version string

// Version is the release's or, in a build from a checkout, its commit.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return info.Main.Version
}

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion
	}
	return "unknown"
}

func (m *metrics) broker(verb string, code int, d time.Duration) {
	m.brokerRequests.WithLabelValues(verb, strconv.Itoa(code)).Inc()
	m.brokerSeconds.WithLabelValues(verb).Observe(d.Seconds())
}

func (m *metrics) kubernetes(verb, kind string, code int, d time.Duration) {
	m.kubeRequests.WithLabelValues(verb, kind, strconv.Itoa(code)).Inc()
	m.kubeSeconds.WithLabelValues(verb).Observe(d.Seconds())
}

func outcome(err error) string {
	if err != nil {
		return "error"
	}
	return "ok"
}

// The methods below let the work queue report its depth and waiting time. What
// else it offers is left alone.

// NewDepthMetric implements workqueue.MetricsProvider.
func (m *metrics) NewDepthMetric(string) workqueue.GaugeMetric { return m.queueDepth }

// NewLatencyMetric implements workqueue.MetricsProvider.
func (m *metrics) NewLatencyMetric(string) workqueue.HistogramMetric { return m.queueWait }

// NewAddsMetric implements workqueue.MetricsProvider.
func (m *metrics) NewAddsMetric(string) workqueue.CounterMetric { return unused{} }

// NewWorkDurationMetric implements workqueue.MetricsProvider.
func (m *metrics) NewWorkDurationMetric(string) workqueue.HistogramMetric { return unused{} }

// NewUnfinishedWorkSecondsMetric implements workqueue.MetricsProvider.
func (m *metrics) NewUnfinishedWorkSecondsMetric(string) workqueue.SettableGaugeMetric {
	return unused{}
}

// NewLongestRunningProcessorSecondsMetric implements workqueue.MetricsProvider.
func (m *metrics) NewLongestRunningProcessorSecondsMetric(string) workqueue.SettableGaugeMetric {
	return unused{}
}

// NewRetriesMetric implements workqueue.MetricsProvider.
func (m *metrics) NewRetriesMetric(string) workqueue.CounterMetric { return unused{} }

type unused struct{}

func (unused) Inc()            {}
func (unused) Set(float64)     {}
func (unused) Observe(float64) {}

// goMetrics are those of the Go runtime, with the heap that the last collection found in
// use: what the process really holds, without garbage and without gaps.
func goMetrics() prometheus.Collector {
	return collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(
		collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/gc/heap/live:bytes$`)}))
}
