package simulate

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/llo"
)

// book is what the world remembers of what happened, to judge what agents do. It
// watches every write.
type book struct {
	world *world

	mu          sync.Mutex
	components  map[string]*deed
	foreign     map[place]string              // what somebody else's objects are to stay
	kubeWrites  int                           // by agents
	brokerWrite int                           // by agents
	been        map[types.UID]map[string]bool // phases in which each object has been
	pruned      []pruning
	acted       map[string][]int  // lives of each agent in the order in which they began to write
	holders     map[string]string // which life it is, by what it calls itself in the Lease
}

// deed is what was ordered of one component, and what may come of it.
type deed struct {
	order   string         // the newest order by people
	ordered time.Time      // when
	word    string         // the newest serviceComponentStatus, whoever wrote it
	heardBy map[string]int // agents that were told of it, with their lives
	endsBy  map[string]end // the end of an object beside which agents were told of it
	removal time.Time      // Removing, the end of the entity, or its absence: objects made before may go
	moved   time.Time      // another element: objects of either side may go
	started time.Time      // Starting: objects that ended before may go
	made    time.Time      // when an object of it was made last
	endOf   string         // uid of the object whose end was reported when that was ordered
	again   []string       // the uids of all such: they may go though they run again, and their next end is no answer to the order
	copies  map[place]bool // objects that are there and not on their way out
	left    place          // where its objects belonged when it was deleted
	absent  bool           // not in the broker
	since   time.Time      // of absent
}

// end is that of an object, as an agent was told in one of its lives.
type end struct {
	life int
	uid  string
}

// pruning is an object that went because its entity is missing.
type pruning struct {
	agent string
	life  int
	at    time.Time
}

func newBook(w *world) *book {
	return &book{world: w, components: map[string]*deed{}, foreign: map[place]string{}, acted: map[string][]int{}, been: map[types.UID]map[string]bool{}, holders: map[string]string{}}
}

// about changes what is known of a component.
func (b *book) about(id string, change func(*deed)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b.deed(id))
}

func (b *book) deed(id string) *deed {
	d, ok := b.components[id]
	if !ok {
		d = &deed{heardBy: map[string]int{}, endsBy: map[string]end{}, copies: map[place]bool{}}
		b.components[id] = d
	}
	return d
}

// order notes what people ordered. A report replaces no order.
func (b *book) order(id, word string) {
	ended := ""
	if e := b.world.read(id); e != nil && slices.Contains([]string{"Succeeded", "Failed"}, e.status("phase")) {
		ended = e.status("uid")
	}
	b.about(id, func(d *deed) {
		d.word = word
		if !slices.Contains([]string{"Starting", "Overload", "Removing"}, word) {
			return
		}
		d.order, d.ordered, d.heardBy = word, time.Now(), map[string]int{}
		switch word {
		case "Removing":
			d.removal = time.Now()
		case "Starting":
			d.started, d.endOf = time.Now(), ended
			if ended != "" {
				d.again = append(d.again, ended)
			}
		}
	})
}

// arrived notes which orders an agent was told.
func (w *world) arrived(a *agentRun, m *letter) {
	var n struct{ Data []entity }
	if json.Unmarshal(m.body, &n) != nil {
		return
	}
	for _, e := range n.Data {
		w.book.about(e.id(), func(d *deed) {
			if d.order != "" && e.word("serviceComponentStatus") == d.order {
				d.heardBy[a.name] = a.life
			}
			uid := ""
			if slices.Contains([]string{"Succeeded", "Failed"}, e.status("phase")) {
				uid = e.status("uid")
			}
			switch starting := e.word("serviceComponentStatus") == "Starting"; {
			case !starting:
				delete(d.endsBy, a.name)
			case uid != "": // what is in the way of the order hides the end from nobody who was told
				d.endsBy[a.name] = end{a.life, uid}
			}
		})
	}
}

// What an agent may write on entities, by type of attribute.
var writable = map[string]bool{"serviceComponentStatus": true, "deploymentStatus": true, "infrastructureElement": true, "actionType": true, "domainHandler": true}

// watchWrite judges a request of an agent to the broker before it has an effect.
func (w *world) watchWrite(a *agentRun, req *http.Request, body []byte) {
	if req.Method == http.MethodGet {
		return
	}
	w.book.mu.Lock()
	w.book.brokerWrite++
	w.book.mu.Unlock()
	path := strings.TrimPrefix(req.URL.Path, "/ngsi-ld/v1")
	switch {
	case strings.HasPrefix(path, "/subscriptions"):
		if !strings.Contains(path+string(body), "hlo-agent:"+a.name+":") {
			w.violated("agent %s writes on a subscription of somebody else: %s %s", a.name, req.Method, path)
		}
		return
	case req.Method != http.MethodPatch || !strings.HasPrefix(path, "/entities/") || strings.Contains(path, "/attrs"):
		w.violated("agent %s writes with %s %s", a.name, req.Method, path)
		return
	}
	var attrs entity
	if err := json.Unmarshal(body, &attrs); err != nil {
		w.violated("agent %s writes what cannot be read on %s", a.name, path)
		return
	}
	for name := range attrs {
		if !writable[name] && (name != "homingDecision" || w.homed == nil) {
			w.violated("agent %s writes %s on %s", a.name, name, path)
		}
	}
	id := strings.TrimPrefix(path, "/entities/")
	w.judgeChoice(a, id, attrs)
	if e, moved := attrs["infrastructureElement"]; moved && !strings.Contains(textOf(e), "urn:ngsi-ld:null") {
		w.book.about(id, func(d *deed) { d.moved = time.Now() })
	}
	if word := attrs.word(status); word != "" {
		w.book.about(id, func(d *deed) { d.word = word })
	}
	w.note(a.host, "writes on %s: %s %s (%s)", brief(id), attrs.word("serviceComponentStatus"), attrs.status("phase"), attrs.status("reason"))
	w.judgeReport(a, id, attrs)
}

// judgeReport asks whether what an agent says of a component was ever true of the object
// of which it says so, and whether its word for that is the right one.
func (w *world) judgeReport(a *agentRun, id string, attrs entity) {
	says := attrs
	if attrs["deploymentStatus"] == nil {
		if says = w.read(id); says == nil {
			return // it tells nobody
		}
	}
	phase, reason, uid := says.status("phase"), says.status("reason"), types.UID(says.status("uid"))
	been := w.book.phasesOf(uid)
	word := map[string]string{"Running": "Running", "Succeeded": "Finished", "Failed": "Failed"}[phase]
	again := false
	w.book.about(id, func(d *deed) {
		again = slices.Contains(d.again, string(uid))
		if d.order == "Starting" && d.made.Before(d.ordered) && d.heardBy[a.name] == a.life && d.endsBy[a.name] == (end{a.life, d.endOf}) && d.endOf == string(uid) && uid != "" && attrs.word(status) == word && word != "" && phase != "Running" {
			w.violated("agent %s says %s of %s over an order to start anew, of which it was told: that is the end of the object before it", a.name, attrs.word(status), brief(id))
		}
	})
	if (word == "Running" || word == "Finished" || reason == "Failed") && !slices.Contains(been, phase) { // else it fails by its deadline
		w.violated("agent %s says %s (%s) of %s, whose object %s has been in the phases %v", a.name, phase, reason, brief(id), uid, been)
	}
	switch said := attrs.word(status); {
	case said == "", said == word, said == "Overload" && reason == "Overloaded", said == "Finished" && reason == "Removed":
	case said == "Starting" && again: // it ran again by something else than the order, which still stands
	case said == "Finished", said == "Running" && phase != "Refused", said == "Failed" && phase != "Refused", word != "" && attrs["deploymentStatus"] != nil:
		w.violated("agent %s says %s of %s, for the phase %s (%s)", a.name, said, brief(id), phase, reason)
	}
}

// phasesOf are those in which an object has ever been, in order.
func (b *book) phasesOf(uid types.UID) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.been[uid]))
}

// seen judges every change in the cluster. It is called with the lock of kube held.
func (w *world) seen(who string, e event) {
	w.note("kube", "%s %s by %s, version %d, generation %d, status %s", e.kind, e.place, who, e.version, e.object.GetGeneration(), phaseOf(e.object))
	w.book.mu.Lock()
	w.book.seen(who, e)
	w.book.mu.Unlock()
	w.ran(e)
	w.follow(e)
}

func phaseOf(o *unstructured.Unstructured) string {
	phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	return phase
}

func ownerOf(o *unstructured.Unstructured) string { return o.GetLabels()[llo.Owner] }

func entityOf(o *unstructured.Unstructured) string { return o.GetAnnotations()[llo.EntityAnnotation] }

func (b *book) seen(who string, e event) {
	agent, byAgent := strings.CutPrefix(who, "hlo-agent/")
	if byAgent {
		if e.before != nil && ownerOf(e.before) != agent {
			b.world.violated("agent %s touches %s, which belongs to %q", agent, e.place, ownerOf(e.before))
		}
	}
	id := entityOf(e.object)
	if id == "" || ownerOf(e.object) == "" {
		return
	}
	if b.been[e.object.GetUID()] == nil {
		b.been[e.object.GetUID()] = map[string]bool{}
	}
	b.been[e.object.GetUID()][phaseNow(e.object)] = true
	d := b.deed(id)
	if e.kind == "ADDED" {
		d.made = time.Now()
	}
	leaving := e.kind == "DELETED" || e.object.GetDeletionTimestamp() != nil
	if leaving && byAgent && e.before.GetDeletionTimestamp() == nil {
		b.judge(agent, d, e)
	}
	if leaving {
		delete(d.copies, e.place)
	} else {
		d.copies[e.place] = true
	}
}

// judge asks whether an object may go.
func (b *book) judge(agent string, d *deed, e event) {
	made := e.before.GetCreationTimestamp().Time
	phase := phaseOf(e.before)
	switch {
	case !d.removal.Before(made), d.order == "Removing":
	case time.Since(d.moved) < 20*time.Minute:
	case (!d.started.Before(made) || d.word == "Starting") && (phase == "Succeeded" || phase == "Failed"), slices.Contains(d.again, string(e.before.GetUID())):
	case d.absent, time.Since(d.since) < time.Minute:
		b.prune(agent)
	default:
		b.world.violated("agent %s deletes %s (status %s), and nobody ordered that", agent, e.place, phase)
	}
}

// prune counts an object that goes for a missing entity, as the guard should.
func (b *book) prune(agent string) {
	life := b.acting(agent)
	b.pruned = append(b.pruned, pruning{agent, life, time.Now()})
	n := 0
	for _, p := range b.pruned {
		if p.agent == agent && p.life == life && time.Since(p.at) < 5*time.Minute {
			n++
		}
	}
	if n > pruneMin {
		b.world.violated("agent %s deletes %d objects for missing entities within 5 minutes", agent, n)
	}
}

// noteForeign remembers an object of somebody else, which is to stay as it is.
func (b *book) noteForeign(p place, image string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.foreign[p] = image
}

func (b *book) forgetForeign(p place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.foreign, p)
}

// foreignPlaces are where somebody else's objects are, in order.
func (b *book) foreignPlaces() []place {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Keys(b.foreign), func(a, b place) int { return strings.Compare(a.String(), b.String()) })
}

// gone notes that an entity is not in the broker any more, or is again. What was
// told before holds no longer: one that comes back orders what it says.
func (b *book) gone(id string, absent bool) {
	b.about(id, func(d *deed) {
		d.absent, d.since, d.heardBy, d.endsBy = absent, time.Now(), map[string]int{}, map[string]end{}
	})
}

// comesBack notes an entity that was deleted and is made anew, with its objects
// belonging at a place. What is left of its former life elsewhere goes as after a
// move.
func (b *book) comesBack(id string, to place) {
	b.about(id, func(d *deed) {
		if d.left != (place{}) && to != d.left { // also of what is made there before the agent hears of it
			d.moved = time.Now()
		}
		d.left = place{}
	})
}

// writes is how often agents have written until now.
func (b *book) writes() (kube, broker int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kubeWrites, b.brokerWrite
}
