package broker

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// post sends a body to a served broker.
func post(t *testing.T, url, body string) {
	t.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		t.Fatal(res.Status)
	}
}

// run serves a broker until stop is called.
func run(t *testing.T, b *Broker) (url string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(ctx, l) }()
	return "http://" + l.Addr().String() + "/ngsi-ld/v1", func() error { cancel(); return <-ended }
}

// TestStateFile ends a broker and starts another on the same file: what clients
// can read is the same, short of counters that were not saved.
func TestStateFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.json")
	contexts := map[string]map[string]string{"http://c.example/c": {"T": "https://ex.example/T", "n": "https://ex.example/n"}}
	first := New(Options{StateFile: file, Contexts: contexts, MultiTenant: true})
	url, stop := run(t, first)
	post(t, url+"/entities", `{"id":"urn:x:2","type":"T","n":{"value":[1],"observedAt":"2026-01-01T00:00:00Z"},"s":"a\"é"}`)
	post(t, url+"/entities", `{"id":"urn:x:1","type":"U","r":{"object":"urn:y:1"}}`)
	post(t, url+"/subscriptions", `{"id":"urn:ngsi-ld:Subscription:s","type":"Subscription","subscriptionName":"n","description":"d",`+
		`"entities":[{"type":"T","idPattern":"^urn:"},{"type":"U","id":"urn:x:1"}],"watchedAttributes":["n","s"],"q":"n!=\"x\";s","throttling":1.5,"lang":"en",`+
		`"expiresAt":"2126-01-01T00:00:00Z","isActive":false,"notification":{"attributes":["n"],"format":"concise","sysAttrs":true,"showChanges":true,`+
		`"endpoint":{"uri":"http://127.0.0.1:9/n","accept":"application/ld+json","receiverInfo":[{"key":"X","value":"1"}]}}}`)
	r, err := http.NewRequest("POST", url+"/subscriptions", strings.NewReader(`{"type":"Subscription","id":"urn:ngsi-ld:Subscription:c","entities":[{"type":"T"}],"q":"n","watchedAttributes":["n"],"notification":{"endpoint":{"uri":"http://127.0.0.1:9/n"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Link", `<http://c.example/c>; rel="http://www.w3.org/ns/json-ld#context"`)
	r.Header.Set("NGSILD-Tenant", "other")
	res, err := http.DefaultClient.Do(r)
	if err != nil || res.StatusCode != 201 {
		t.Fatal(res, err)
	}
	res.Body.Close()
	before := readAllOf(t, url)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	second := New(Options{StateFile: file, Contexts: contexts, MultiTenant: true})
	url, stop = run(t, second)
	if diff := cmp.Diff(before, readAllOf(t, url)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	kept := second.tenant("other", false).subs[0].spec
	if kept.q.term.name != "https://ex.example/n" || kept.entities[0].typ != "https://ex.example/T" {
		t.Errorf("the names of a context were lost: %+v", kept)
	}
}

func readAllOf(t *testing.T, url string) string {
	t.Helper()
	var out strings.Builder
	for _, path := range []string{"/entities?local=true&options=sysAttrs", "/subscriptions?options=sysAttrs"} {
		for _, tenant := range []string{"", "other"} {
			r, err := http.NewRequest("GET", url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("NGSILD-Tenant", tenant)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Write(&out); err != nil {
				t.Fatal(err)
			}
		}
	}
	return datePattern.ReplaceAllString(strings.ReplaceAll(out.String(), "\r", ""), "Date")
}

// TestStateIsSavedMeanwhile has the file of a broker that is killed.
func TestStateIsSavedMeanwhile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.json")
	url, stop := run(t, New(Options{StateFile: file}))
	post(t, url+"/entities", `{"id":"urn:x:1","type":"T"}`)
	deadline := time.Now().Add(4 * saveEvery)
	for {
		raw, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(raw), "urn:x:1") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not saved: %s %v", raw, err)
		}
		<-time.After(20 * time.Millisecond)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestStateFileThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"no JSON":                 `[`,
		"unreadable attribute":    `[{"Entities":[{"ID":"urn:x:1","Type":"T","Attrs":[{"Name":"a","Body":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}]}]}]`,
		"refused subscription":    `[{"Subscriptions":[{"ID":"urn:x:s","Body":{"bogus":1}}]}]`,
		"unknown context":         `[{"Subscriptions":[{"ID":"urn:x:s","Body":{},"Context":"http://x.example/c"}]}]`,
		"unreadable subscription": `[{"Subscriptions":[{"ID":"urn:x:s","Body":{},"Q":"=="}]}]`,
	} {
		file := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, stop := run(t, New(Options{StateFile: file}))
		if err := stop(); err == nil || !strings.Contains(err.Error(), "load broker state") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestServeEnds has Serve wait for a notification that nobody answers.
func TestServeEnds(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, 1)
	b := New(Options{})
	b.notify = timing{inTime: 200 * time.Millisecond, giveUp: 300 * time.Millisecond, next: 100 * time.Millisecond}
	url, stop := run(t, b)
	post(t, url+"/subscriptions", `{"type":"Subscription","entities":[{"type":"T"}],"notification":{"endpoint":{"uri":"http://`+r.listener.Addr().String()+`/hang/x"}}}`)
	post(t, url+"/entities", `{"id":"urn:x:1","type":"T"}`)
	if got := r.take(1, patience); len(got) != 1 {
		t.Fatal("no notification")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if s := b.Stats(); s.NotificationsFailed != 1 {
		t.Errorf("stats: %+v", s)
	}
	if _, err := http.Get(url + "/entities"); err == nil {
		t.Error("it still answers")
	}
}
