package broker

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// federated answers as a broker that holds registrations of others for
// everything: reads and changes of an entity that it does not have go to the
// first of them that does, and queries without local=true are answered for all
// at once. A request that another broker has sent on goes no further.
type federated struct {
	own    http.Handler
	peers  []string
	client *http.Client
}

// sentOn marks a request that came from another broker.
const sentOn = "Via"

func federate(own http.Handler, peers []string) http.Handler {
	if len(peers) == 0 {
		return own
	}
	return &federated{own, peers, &http.Client{Timeout: 5 * time.Second}}
}

// ServeHTTP implements http.Handler.
func (f *federated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	rest, entity := strings.CutPrefix(r.URL.Path, "/ngsi-ld/v1/entities")
	if !entity || r.Header.Get(sentOn) != "" || r.URL.Query().Get("local") == "true" || r.Method == http.MethodPost {
		f.own.ServeHTTP(w, r)
		return
	}
	answer := newHeld()
	f.own.ServeHTTP(answer, r)
	for _, peer := range f.peers {
		switch {
		case rest == "":
			f.join(answer, peer, r)
		case answer.code == http.StatusNotFound:
			if other, ok := f.ask(peer, r, body); ok && other.code != http.StatusNotFound {
				answer = other
			}
		}
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(answer.code)
	_, _ = w.Write(answer.body.Bytes()) // the client went away
}

// ask sends a request on; false: the other broker does not answer.
func (f *federated) ask(peer string, r *http.Request, body []byte) (*held, bool) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, peer+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, false
	}
	req.Header = r.Header.Clone()
	req.Header.Set(sentOn, "1.1 sandbox")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, false
	}
	defer resp.Body.Close()
	answer := newHeld()
	for name, values := range resp.Header {
		answer.Header()[name] = values
	}
	answer.WriteHeader(resp.StatusCode)
	_, err = io.Copy(&answer.body, resp.Body)
	return answer, err == nil
}

// join adds what another broker holds to the first page of a list.
func (f *federated) join(to *held, peer string, r *http.Request) {
	if offset := r.URL.Query().Get("offset"); to.code != http.StatusOK || offset != "" && offset != "0" {
		return
	}
	from, ok := f.ask(peer, r, nil)
	var mine, theirs []json.RawMessage
	if !ok || from.code != http.StatusOK || json.Unmarshal(to.body.Bytes(), &mine) != nil || json.Unmarshal(from.body.Bytes(), &theirs) != nil {
		return
	}
	joined, err := json.Marshal(append(mine, theirs...))
	if err != nil {
		return
	}
	to.body.Reset()
	to.body.Write(joined)
	const count = "NGSILD-Results-Count"
	a, errA := strconv.Atoi(to.Header().Get(count))
	b, errB := strconv.Atoi(from.Header().Get(count))
	if errA == nil && errB == nil {
		to.Header().Set(count, strconv.Itoa(a+b))
	}
}

// held is an answer that is not sent yet.
type held struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func newHeld() *held { return &held{header: http.Header{}, code: http.StatusOK} }

func (h *held) Header() http.Header         { return h.header }
func (h *held) WriteHeader(code int)        { h.code = code }
func (h *held) Write(b []byte) (int, error) { return h.body.Write(b) }
