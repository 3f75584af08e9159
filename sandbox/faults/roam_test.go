package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// roamTime is how long components are moved about where ROAM_TIME does not say it.
const roamTime = 12 * time.Second

// b2 is one more element of Beta.
const b2 = "urn:ngsi-ld:InfrastructureElement:Beta:b2"

// TestRoam moves components about two domains at random, which share a broker or have one each,
// removes and deletes some of them and makes them anew, while agents are killed, notifications
// are lost and objects are slow to go. Meanwhile nothing runs twice for longer than a move takes. In
// the end each is where it was ordered last, is reported there, and nothing of it is in the other
// domain. ROAM_TIME says for how long.
func TestRoam(t *testing.T) {
	t.Parallel()
	env := map[string]string{"RESYNC_INTERVAL": "3s", "DEGRADED_RESYNC_INTERVAL": "2s", "SUBSCRIPTION_CHECK_INTERVAL": "2s", "PRUNE_MIN": "1000"}
	for name, domains := range map[string]func(*testing.T) (alpha, beta *rig){
		"on one broker": func(t *testing.T) (alpha, beta *rig) {
			_, alpha, beta = twoOnOneBroker(t, true, env)
			return alpha, beta
		},
		"on two brokers": func(t *testing.T) (alpha, beta *rig) {
			f := federate(t, env)
			return f.alpha, f.beta
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			long := roamTime
			if text := os.Getenv("ROAM_TIME"); text != "" {
				var err error
				long, err = time.ParseDuration(text)
				must(t, err)
			}
			seed := uint64(time.Now().UnixNano())
			r := &roam{t: t, random: rand.New(rand.NewPCG(seed, 7)), on: map[string]string{}, history: map[string]string{}, twice: map[string]time.Time{}, began: time.Now()}
			r.alpha, r.beta = domains(t)
			r.begin()
			r.began = time.Now()
			for time.Since(r.began) < long {
				r.order()
				if r.random.IntN(6) == 0 && r.within(7500*time.Millisecond, 10*time.Second) {
					r.disturb()
				}
				r.watch()
				pass(t, time.Duration(r.random.IntN(400))*time.Millisecond)
			}
			if err := poll(t.Context(), 2*time.Minute, func() error { r.watch(); return r.settled() }); err != nil {
				t.Error(err)
			}
			t.Logf("roam: %v, %d orders, %d disturbances; twice for %v at most", time.Since(r.began).Round(time.Second), r.orders, r.disturbances, r.longest.Round(time.Second))
		})
	}
}

// within says whether a round of roaming is between two times. Removals and disturbances have their
// own, with seconds between them: a report can cross an order, which is gone then if its notification
// is lost or the agent killed.
func (r *roam) within(from, to time.Duration) bool {
	at := time.Since(r.began) % (12 * time.Second)
	return at >= from && at < to
}

// roam is what TestRoam knows of one pair of domains.
type roam struct {
	t                    *testing.T
	alpha, beta          *rig
	random               *rand.Rand
	on                   map[string]string // where each component was ordered last; "": away, gone: deleted
	history              map[string]string
	began                time.Time
	orders, disturbances int

	twice   map[string]time.Time // objects that run in both domains: since when
	longest time.Duration        // that one did
	looked  time.Time
}

const gone = "gone"

func (r *roam) begin() {
	r.t.Helper()
	r.alpha.orchestrate()
	r.beta.orchestrate()
	r.beta.create(element(b2, "Kubernetes"))
	for n := range 10 {
		r.make(fmt.Sprintf("m%d", n))
	}
}

func (r *roam) place() string { return []string{k1, k2, b1, b2}[r.random.IntN(4)] }

func (r *roam) note(name, format string, args ...any) {
	r.history[name] += fmt.Sprintf(" %.2f ", time.Since(r.began).Seconds()) + fmt.Sprintf(format, args...)
}

func (r *roam) make(name string) {
	r.on[name] = r.place()
	r.note(name, "made on %s", r.on[name])
	r.alpha.create(component(name, object{"infrastructureElement": rel(r.on[name])}))
}

// order does something that people do with one component.
func (r *roam) order() {
	r.t.Helper()
	r.orders++
	name := fmt.Sprintf("m%d", r.random.IntN(len(r.on)))
	id, to := componentID(name), r.place()
	attrs, away := object{"infrastructureElement": rel(to)}, r.within(2*time.Second, 4500*time.Millisecond)
	switch dice := r.random.IntN(20); {
	case r.on[name] == gone:
		r.make(name)
		return
	case r.on[name] == "" && r.alpha.report(id).Word != "Finished":
		return // the report of its end could cross the next order
	case r.on[name] == "":
		attrs["serviceComponentStatus"] = word("Starting")
	case dice < 6 && away:
		r.note(name, "removed")
		r.on[name] = ""
		r.alpha.patch(id, object{"serviceComponentStatus": word("Removing")})
		return
	case dice < 9 && away:
		r.note(name, "deleted")
		r.on[name] = gone
		r.alpha.remove(id)
		return
	case dice < 14:
		attrs["serviceComponentStatus"] = word("Starting")
	}
	r.note(name, "to %s, %d", to, len(attrs))
	r.on[name] = to
	r.alpha.patch(id, attrs)
}

// disturb kills an agent, has one hear nothing for a while, or has an object go slowly.
func (r *roam) disturb() {
	r.t.Helper()
	r.disturbances++
	at := []*rig{r.alpha, r.beta}[r.random.IntN(2)]
	long := time.Duration(r.random.IntN(3000)) * time.Millisecond
	switch r.random.IntN(3) {
	case 0:
		r.note("agents", "%s is killed", at.id)
		at.agent.kill()
		pass(r.t, long/2)
		at.launch()
	case 1:
		r.note("agents", "%s hears nothing for %v", at.id, long)
		heal := at.toWebhook.Inject(faults.Fault{Match: func(faults.Exchange) bool { return true }, Do: faults.Answer(http.StatusNoContent, nil, "")})
		time.AfterFunc(long, heal)
	case 2:
		name := objectName(fmt.Sprintf("m%d", r.random.IntN(len(r.on))))
		hold := func(text string) bool { // it may not be there
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_, err := at.of(onK8s).Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":{"finalizers":`+text+`}}`), metav1.PatchOptions{})
			return err == nil
		}
		if hold(`["example.org/hold"]`) {
			r.note("agents", "%s of %s is held for %v", name, at.id, 2*long)
			time.AfterFunc(2*long, func() { hold("null") })
		}
	}
}

// watch looks once a second for what runs in both domains.
func (r *roam) watch() {
	r.t.Helper()
	if time.Since(r.looked) < time.Second {
		return
	}
	r.looked = time.Now()
	runs := func(o *unstructured.Unstructured) bool {
		return o != nil && isRunning(o) && o.GetDeletionTimestamp() == nil
	}
	twice, far := map[string]time.Time{}, r.beta.list(onK8s)
	for name, o := range r.alpha.list(onK8s) {
		if !runs(o) || !runs(far[name]) {
			continue
		}
		twice[name] = r.looked
		if since, known := r.twice[name]; known {
			twice[name] = since
		}
		if long := r.looked.Sub(twice[name]); long > r.longest {
			if r.longest = long; long > patience {
				r.t.Errorf("%s runs twice, for %v", name, long)
			}
		}
	}
	r.twice = twice
}

// settled compares where the components are with where they were ordered.
func (r *roam) settled() error {
	var wrong []error
	for name, on := range r.on {
		home, far := r.alpha.find(onK8s, name), r.beta.find(onK8s, name)
		if on == b1 || on == b2 {
			home, far = far, home
		}
		var got report
		if on != gone {
			got = r.alpha.report(componentID(name))
		}
		ok := home == nil && far == nil && (on == gone || got.Word == "Finished" && got.Element == "")
		if on != gone && on != "" {
			ok = home != nil && far == nil && got.Word == "Running" && got.UID == string(home.GetUID()) && elementOf(home) == on
		}
		if !ok {
			wrong = append(wrong, fmt.Errorf("%s, ordered on %q, is there %v, elsewhere %v, and says %+v:%s", name, on, home != nil, far != nil, got, r.history[name]))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.SortFunc(wrong, func(a, b error) int { return len(a.Error()) - len(b.Error()) })
	return errors.Join(append(wrong[:min(len(wrong), 3)], fmt.Errorf("agents:%s", r.history["agents"]))...)
}
