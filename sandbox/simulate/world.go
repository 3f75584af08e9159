package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/broker"
)

// What the agents are told, and the checks know.
const (
	moveTimeout    = 90 * time.Second
	resyncInterval = time.Minute
	pruneMin       = 2
)

// world is everything that one seed decides.
type world struct {
	*journal
	dice   *dice
	kube   *kube
	broker *broker.Broker
	specs  []agentSpec
	book   *book
	temper temper
	homed  *homed // nil: people choose the elements

	mu       sync.Mutex
	agents   map[string]*agentRun
	past     []*agentRun // lives that are over
	lives    int
	closed   bool // nothing starts any more
	now      faults
	post     post
	crossing string // a component that is ordered away as soon as a report of it comes
}

// faults is what is out of order for now.
type faults struct {
	broker, kube         weather
	brokerDown, kubeDown bool
	// What a broken gateway, or a broker of somebody else, answers to reads: "404"
	// for everything, "empty" lists, "short" lists, or both of the first ("foreign").
	lie string
}

func (w *world) faults() faults {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) change(f func(*faults)) {
	w.mu.Lock()
	f(&w.now)
	now, p := w.now, w.post
	w.mu.Unlock()
	w.disturbed(now, p)
}

func (w *world) mail() post {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.post
}

func (w *world) setMail(p post) {
	w.mu.Lock()
	w.post = p
	now := w.now
	w.mu.Unlock()
	w.disturbed(now, p)
}

// newWorld makes a world with nothing in it but what components link to, and its
// agents, which run.
func newWorld(seed uint64) *world {
	w := &world{journal: &journal{start: time.Now()}, dice: newDice(seed), kube: newKube(), agents: map[string]*agentRun{}}
	w.book, w.temper, w.homed = newBook(w), w.drawTemper(), w.drawHomed()
	w.broker = broker.New(broker.Options{ArrayReduction: chance(w.dice.Rand, 50), Dial: w.dial})
	w.kube.changed, w.kube.leased = w.seen, w.leased
	w.specs = []agentSpec{{name: "all", domains: "*", namespace: "default"}}
	if w.dice.IntN(3) > 0 {
		w.specs = []agentSpec{{name: "north", domains: "North", namespace: "north"}, {name: "south", domains: "South", namespace: "south"}}
	}
	w.drawCopies()
	w.must(http.MethodPost, "/entityOperations/create", w.landscape())
	w.settle()
	for _, s := range w.specs {
		for _, host := range s.hosts() {
			time.Sleep(between(w.dice.Rand, time.Millisecond, 100*time.Millisecond))
			w.start(s, host)
		}
	}
	return w
}

// close ends everything that runs.
func (w *world) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.homed.end()
	for _, a := range w.up() {
		w.kill(a)
	}
	for _, a := range w.past {
		<-a.ended
	}
	w.kube.cut(func(*watcher) bool { return true })
	w.broker.Close()
}

// ask sends a request to the broker that nothing disturbs.
func (w *world) ask(method, path string, body any) (int, []byte) {
	var text []byte
	if body != nil {
		text = []byte(textOf(body))
	}
	req, err := http.NewRequest(method, "http://broker/ngsi-ld/v1"+path, bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	r := handle(w.broker, req)
	answer, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	return r.StatusCode, answer
}

// must is an ask that succeeds.
func (w *world) must(method, path string, body any) []byte {
	code, answer := w.ask(method, path, body)
	if code/100 != 2 {
		panic(fmt.Sprintf("%s %s: %d %s", method, path, code, answer))
	}
	return answer
}

// entity is a component as the broker holds it.
type entity map[string]any

func (e entity) id() string { id, _ := e["id"].(string); return id }

// text is the value or object of an attribute, lists joined.
func (e entity) text(name string) string {
	attribute, _ := e[name].(map[string]any)
	for _, key := range []string{"object", "value"} {
		switch v := attribute[key].(type) {
		case string:
			return v
		case nil:
		default:
			return textOf(v)
		}
	}
	return ""
}

// word is the last part of an attribute's text.
func (e entity) word(name string) string {
	text := e.text(name)
	return text[strings.LastIndexByte(text, ':')+1:]
}

func (e entity) flag(name string) bool { return e.text(name) == "true" }

// status is deploymentStatus.
func (e entity) status(key string) string {
	attribute, _ := e["deploymentStatus"].(map[string]any)
	value, _ := attribute["value"].(map[string]any)
	text, _ := value[key].(string)
	return text
}

// entities lists those of a type, in order.
func (w *world) entities(kind string) []entity {
	var list []entity
	if err := json.Unmarshal(w.must(http.MethodGet, "/entities?limit=1000&type="+kind, nil), &list); err != nil {
		panic(err)
	}
	return list
}

func entityPath(id string) string { return "/entities/" + url.PathEscape(id) }

// read is one entity, nil if the broker has none such.
func (w *world) read(id string) entity {
	code, body := w.ask(http.MethodGet, entityPath(id), nil)
	var e entity
	if code != http.StatusOK || json.Unmarshal(body, &e) != nil {
		return nil
	}
	return e
}

// lie is a wrong answer to a read, nil while the truth is told.
func (w *world) lie(f faults, req *http.Request) *http.Response {
	if f.lie == "" || req.Method != http.MethodGet {
		return nil
	}
	list := strings.HasSuffix(req.URL.Path, "/entities")
	switch {
	case f.lie == "404":
		return unknown("Service Not Found", req)
	case f.lie == "foreign" && strings.Contains(req.URL.Path, "/subscriptions"):
		return unknown("subscription not found", req)
	case f.lie == "foreign" && !list:
		return unknown("Entity Not Found", req)
	case (f.lie == "empty" || f.lie == "foreign") && list:
		r := answer(http.StatusOK, []any{})
		r.Header.Set("NGSILD-Results-Count", "0")
		return r
	case f.lie == "short" && list:
		return shortened(handle(w.broker, req))
	}
	return nil
}

// unknown is a 404 as the broker words it.
func unknown(title string, req *http.Request) *http.Response {
	return answer(http.StatusNotFound, map[string]any{"type": "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound", "title": title, "detail": req.URL.Path})
}

// shortened leaves the second half of a list out, not of its count.
func shortened(r *http.Response) *http.Response {
	var list []any
	if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
		return r
	}
	short := answer(r.StatusCode, list[:len(list)/2])
	short.Header.Set("NGSILD-Results-Count", r.Header.Get("NGSILD-Results-Count"))
	return short
}
