package faults_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// object is any JSON object.
type object = map[string]any

// brokerProcess is hlo-sandbox broker, and a client that talks to it directly,
// past every proxy.
type brokerProcess struct {
	t       *testing.T
	address string
	args    []string
	process *process
	tenant  string // that requests are for; "" is none
}

func startBroker(t *testing.T, args ...string) *brokerProcess {
	t.Helper()
	b := &brokerProcess{t: t, address: freeAddress(t), args: args}
	b.start()
	return b
}

// start runs the broker, again at the same address.
func (b *brokerProcess) start() {
	b.t.Helper()
	_, sandbox := programs.binaries(b.t)
	b.process = launch(b.t, nil, sandbox, append([]string{"broker", "--listen", b.address}, b.args...)...)
	eventually(b.t, "the broker answers", func() error {
		code, _, err := b.request(http.MethodGet, "/ngsi-ld/v1/subscriptions", nil)
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("status %d", code)
		}
		return err
	})
}

func (b *brokerProcess) url() string { return "http://" + b.address }

func (b *brokerProcess) request(method, path string, body any) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url()+path, reader)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if b.tenant != "" {
		req.Header.Set("NGSILD-Tenant", b.tenant)
	}
	// One connection each: the broker delays a client that keeps its connection
	// while the receiver of a notification is slow.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// do sends a request that must succeed.
func (b *brokerProcess) do(method, path string, body any) []byte {
	b.t.Helper()
	code, answer, err := b.request(method, path, body)
	if err == nil && code/100 != 2 {
		err = fmt.Errorf("status %d: %s", code, answer)
	}
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer
}

func entityPath(id string) string { return "/ngsi-ld/v1/entities/" + url.PathEscape(id) }

// create makes entities, a hundred in each request.
func (b *brokerProcess) create(entities ...object) {
	b.t.Helper()
	for len(entities) > 0 {
		n := min(len(entities), 100)
		b.do(http.MethodPost, "/ngsi-ld/v1/entityOperations/create", entities[:n])
		entities = entities[n:]
	}
}

// patch merges attributes into an entity.
func (b *brokerProcess) patch(id string, attrs object) {
	b.t.Helper()
	b.do(http.MethodPatch, entityPath(id), attrs)
}

// drop deletes entities in one batch, of which the broker tells nobody.
func (b *brokerProcess) drop(ids ...string) {
	b.t.Helper()
	b.do(http.MethodPost, "/ngsi-ld/v1/entityOperations/delete", ids)
}

// remove deletes one entity, of which the broker tells its subscribers.
func (b *brokerProcess) remove(id string) {
	b.t.Helper()
	b.do(http.MethodDelete, entityPath(id), nil)
}

// entity reads an entity; nil when it is not there.
func (b *brokerProcess) entity(id string) object {
	b.t.Helper()
	code, answer, err := b.request(http.MethodGet, entityPath(id), nil)
	if err != nil || (code != http.StatusOK && code != http.StatusNotFound) {
		b.t.Fatalf("read %s: status %d: %v", id, code, err)
	}
	if code == http.StatusNotFound {
		return nil
	}
	var e object
	must(b.t, json.Unmarshal(answer, &e))
	return e
}

// subscription reads a subscription; nil when it is not there.
func (b *brokerProcess) subscription(id string) object {
	b.t.Helper()
	code, answer, err := b.request(http.MethodGet, "/ngsi-ld/v1/subscriptions/"+id, nil)
	if err != nil || (code != http.StatusOK && code != http.StatusNotFound) {
		b.t.Fatalf("read %s: status %d: %v", id, code, err)
	}
	if code == http.StatusNotFound {
		return nil
	}
	var s object
	must(b.t, json.Unmarshal(answer, &s))
	return s
}

// at follows keys into nested objects; nil where there is nothing.
func at(o object, keys ...string) any {
	var v any = o
	for _, key := range keys {
		m, ok := v.(object)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// report is what the agent says of a component, and the attributes it writes.
type report struct {
	Phase, Reason, Message, UID string
	Word                        string // of serviceComponentStatus
	Element                     string // without its urn prefix
	Written                     any    // observedAt of deploymentStatus
}

// report reads a component's status.
func (b *brokerProcess) report(id string) report {
	b.t.Helper()
	e := b.entity(id)
	text := func(key string) string { s, _ := at(e, "deploymentStatus", "value", key).(string); return s }
	word, _ := at(e, "serviceComponentStatus", "object").(string)
	element, _ := at(e, "infrastructureElement", "object").(string)
	return report{
		Phase: text("phase"), Reason: text("reason"), Message: text("message"), UID: text("uid"),
		Word:    word[strings.LastIndexByte(word, ':')+1:],
		Element: strings.TrimPrefix(element, "urn:ngsi-ld:InfrastructureElement:"),
		Written: at(e, "deploymentStatus", "observedAt"),
	}
}

// says waits until a component reports a phase and, unless it is "", a reason.
func (b *brokerProcess) says(id, phase, reason string) report {
	b.t.Helper()
	var r report
	eventually(b.t, id+" reports "+phase+" "+reason, func() error {
		r = b.report(id)
		if r.Phase != phase || (reason != "" && r.Reason != reason) {
			return fmt.Errorf("it says %+v", r)
		}
		return nil
	})
	return r
}

// now is a time as the broker writes it.
func now(ahead time.Duration) string {
	return time.Now().Add(ahead).UTC().Format("2006-01-02T15:04:05.000Z")
}
