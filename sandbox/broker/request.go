package broker

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxBody is the largest body that is accepted, in bytes.
const maxBody = 1 << 20

// request is a request as the operations want it.
type request struct {
	broker *Broker
	http   *http.Request
	now    instant
	path   string // as in problems: without the query, decoded
	id     string // of the entity or subscription in the path
	attr   string // attribute in the path, as the broker keeps it
	params params
	body   value
	tenant *tenant
	names  *names
	accept string // media type of the answer
	ld     bool   // the body is ld+json
}

// ServeHTTP answers one request and then, before it returns, sends the
// notifications that the request has caused.
func (b *Broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := b.answer(r)
	if a.loseConn {
		b.die(w)
		return
	}
	if len(a.deliver) == 0 {
		a.write(w)
		return
	}
	b.sending.add(1)
	defer b.sending.add(-1)
	a.write(w)
	_ = http.NewResponseController(w).Flush() // the client has its answer first
	b.sendAll(a.deliver)
}

// die is what clients see where the real broker crashes: the connection ends
// without an answer, and the broker is back at once with its database.
func (b *Broker) die(w http.ResponseWriter) {
	b.options.Log.Warn("the real broker would crash here; restarted")
	b.Restart(true)
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close() // that is the point
		return
	}
	w.WriteHeader(http.StatusBadGateway)
}

func (b *Broker) answer(r *http.Request) answer {
	path := r.URL.EscapedPath()
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/") // tolerated
	}
	q := &request{broker: b, http: r, path: unescape(path, false), now: b.now()}
	t := b.routes.find(path, q)
	op, ok := t.methods[r.Method]
	if !ok {
		b.stats[otherRequest].Add(1)
		a := t.refuse(q)
		if !strings.HasPrefix(path, "/ngsi-ld/") {
			a = a.with("Fiware-Correlator", uuid())
		}
		return a
	}
	b.stats[op.count].Add(1)
	if p := q.prepare(op); p != nil {
		return p.answer()
	}
	a := op.do(q)
	if q.tenant.name != "" && a.status < 400 && op.count != subscriptionRead {
		a = a.with("NGSILD-Tenant", q.tenant.name)
	}
	return a
}

// prepare reads everything of the request, in the order in which the broker
// finds fault with it.
func (q *request) prepare(op operation) *problem {
	steps := []func(operation) *problem{q.readParams, q.readAccept, q.readBody, q.readTenant, q.readContext}
	for _, step := range steps {
		if p := step(op); p != nil {
			return p
		}
	}
	q.attr = q.names.expand(q.attr)
	return nil
}

func (q *request) readAccept(operation) *problem {
	accept := q.http.Header.Get("Accept")
	if accept == "" {
		q.accept = "application/json"
		return nil
	}
	for part := range strings.SplitSeq(accept, ",") {
		mime, _, _ := strings.Cut(part, ";")
		switch mime = strings.TrimSpace(mime); mime {
		case "*/*", "application/*":
			q.accept = "application/json"
			return nil
		case "application/json", "application/ld+json", "application/geo+json":
			q.accept = mime
			return nil
		}
	}
	p := badRequest("Invalid Accept mime-type", "HTTP Header /Accept/ contains none of 'application/json', 'application/ld+json', or 'application/geo+json'")
	p.status = http.StatusNotAcceptable
	return p
}

func (q *request) readBody(op operation) *problem {
	raw, p := q.readAll()
	if p != nil {
		return p
	}
	if !op.body {
		if len(raw) > 0 {
			return badRequest("Unexpected payload body", q.http.Method)
		}
		return nil
	}
	mime, _, _ := strings.Cut(q.http.Header.Get("Content-Type"), ";")
	switch strings.TrimSpace(mime) {
	case "application/json", "application/merge-patch+json":
	case "application/ld+json":
		q.ld = true
	default:
		if len(raw) == 0 {
			break
		}
		p := badRequest("unsupported format of payload", "only application/json and application/ld+json are supported")
		p.status = http.StatusUnsupportedMediaType
		return p
	}
	if len(raw) == 0 {
		return badRequest("payload missing", "no detail")
	}
	var err error
	if q.body, err = parse(string(raw)); err != nil {
		return &problem{status: 400, kind: "InvalidRequest", title: "JSON Parse Error", detail: "Invalid JSON payload"}
	}
	return checkBody(q.body)
}

func checkBody(v value) *problem {
	if len(v.members) > 0 {
		return nil
	}
	switch v.kind {
	case object:
		return badRequest("Invalid Payload Body", "Empty Object")
	case list:
		return badRequest("Invalid Payload Body", "Empty Array")
	}
	return badRequest("Invalid Payload Body", "must be a JSON Object or Array")
}

func (q *request) readAll() ([]byte, *problem) {
	n := q.http.ContentLength
	if n == 0 || q.http.Body == nil {
		return nil, nil
	}
	var raw []byte
	var err error
	if n > 0 && n <= maxBody {
		raw = make([]byte, n)
		_, err = io.ReadFull(q.http.Body, raw)
	} else {
		raw, err = io.ReadAll(io.LimitReader(q.http.Body, maxBody+1))
	}
	if len(raw) > maxBody {
		rest, _ := io.Copy(io.Discard, io.LimitReader(q.http.Body, 8*maxBody)) // so that the client hears the answer
		p := badRequest("Request Entity too large", "payload size: "+strconv.FormatInt(int64(len(raw))+rest, 10)+", max size supported: "+strconv.Itoa(maxBody))
		p.status = http.StatusRequestEntityTooLarge
		return nil, p
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, badRequest("payload missing", "no detail")
	}
	return raw, nil
}

func (q *request) readTenant(op operation) *problem {
	name := q.http.Header.Get("NGSILD-Tenant")
	if name == "" {
		name = q.http.Header.Get("Fiware-Service")
	}
	name = strings.ToLower(name) // as the names of its databases are
	if name != "" && !q.broker.options.MultiTenant {
		return badRequest("Tenants not supported", "tenant in use but tenant support is not enabled for the broker")
	}
	if strings.ContainsAny(name, " !/\\.\"$*<>:|?,;") {
		return badRequest("Invalid tenant name", "Invalid character for a mongo database name")
	}
	q.tenant = q.broker.tenant(name, op.makesTenant)
	if q.tenant == nil {
		return &problem{status: 404, kind: "NonExistingTenant", title: "No such tenant", detail: name}
	}
	return nil
}
