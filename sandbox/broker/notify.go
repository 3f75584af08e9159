package broker

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// timing is how long the broker waits for the receiver of a notification.
type timing struct {
	inTime time.Duration // the answer has to begin by then
	giveUp time.Duration // when it does not, the failure is noted then
	next   time.Duration // longest pause within the answer
}

// realTiming is the real broker's: an answer after 3 s still counted, one after
// 7 s did not.
func realTiming() timing {
	return timing{inTime: 3500 * time.Millisecond, giveUp: 5 * time.Second, next: 100 * time.Millisecond}
}

// sendAll sends notifications one after the other and then waits for all
// answers: a slow receiver does not hold up the others.
func (b *Broker) sendAll(deliveries []delivery) {
	var answers sync.WaitGroup
	for i := range deliveries {
		d := &deliveries[i]
		host, ok := d.spec.host()
		if !ok {
			continue // the broker speaks nothing but http, and says nothing of it
		}
		conn, err := b.open(host, d.request(host))
		if err != nil {
			b.note(d, "Unable to connect to notification endpoint")
			continue
		}
		if i == len(deliveries)-1 {
			b.note(d, conn.await(b.notify))
			continue
		}
		answers.Go(func() { b.note(d, conn.await(b.notify)) })
	}
	answers.Wait()
}

// open connects and sends the request.
func (b *Broker) open(host string, request []byte) (*outgoing, error) {
	ctx, cancel := context.WithTimeout(context.Background(), b.notify.giveUp)
	defer cancel()
	conn, err := b.dial(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	return newOutgoing(conn, request, b.notify)
}

// note writes the outcome of a notification into its subscription. When the
// subscription was deleted while no answer came, the real broker crashes.
func (b *Broker) note(d *delivery, reason string) {
	if reason == "" {
		b.stats[notificationSent].Add(1)
	} else {
		b.stats[notificationFailed].Add(1)
		b.options.Log.Info("notification failed", slog.String("subscription", d.sub.id), slog.String("err", reason))
	}
	d.tenant.mu.Lock()
	gone := d.sub.deleted
	if !gone {
		d.sub.sent(d.at, reason)
		if d.sub.state == "paused" {
			d.tenant.version++
		}
	}
	d.tenant.mu.Unlock()
	if gone && reason == reasonTimeout && d.tenant.removed(d.sub) {
		b.options.Log.Warn("the real broker would crash here; restarted")
		b.Restart(true)
	}
}

// removed reports whether the subscription is gone rather than replaced by a
// restart.
func (t *tenant) removed(s *subscription) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.subscription(s.id) == nil
}

// host is where the endpoint listens; false for what is not plain http.
func (s *spec) host() (string, bool) {
	rest, ok := strings.CutPrefix(s.uri, "http://")
	host, _, _ := strings.Cut(rest, "/")
	if !strings.Contains(host, ":") {
		host += ":80"
	}
	return host, ok
}

// target is the path of the endpoint with the subscription's id behind it,
// always after a question mark and as the broker writes it without a path.
func (s *spec) target(id string) string {
	_, rest, _ := strings.Cut(s.uri, "://")
	_, path, ok := strings.Cut(rest, "/")
	if !ok {
		path = "(null)"
	}
	return "/" + path + "?subscriptionId=" + id
}

// request is the notification as it goes over the wire.
func (d *delivery) request(host string) []byte {
	body := d.body()
	out := make([]byte, 0, len(body)+700)
	line := func(name, value string) {
		out = append(append(append(append(out, name...), ": "...), value...), "\r\n"...)
	}
	out = append(out, "POST "+d.spec.target(d.sub.id)+" HTTP/1.1\r\n"...)
	line("Content-Length", strconv.Itoa(len(body)))
	line("Content-Type", d.spec.accept)
	line("User-Agent", "orionld/"+version)
	line("Host", host)
	line("Accept", "application/json")
	line("Ngsild-Attribute-Format", d.spec.formatName())
	if d.spec.accept != "application/ld+json" {
		line("Link", d.spec.names.link())
	}
	if d.tenant.name != "" {
		line("Ngsild-Tenant", d.tenant.name)
	}
	for _, name := range []string{"X-Auth-Token", "Authorization"} {
		if v := d.header.Get(name); v != "" {
			line(name, v)
		}
	}
	for _, h := range d.spec.receiver {
		if h.value == "urn:ngsi-ld:request" {
			h.value = d.header.Get(h.key)
		}
		if h.value != "" {
			line(h.key, h.value)
		}
	}
	return append(append(out, "\r\n"...), body...)
}

func (s *spec) formatName() string {
	switch f, _ := formatOf(s.format); f {
	case conciseFormat:
		return "Concise"
	case simplifiedFormat:
		return "Simplified"
	}
	return "Normalized"
}

func (d *delivery) body() []byte {
	f, _ := formatOf(d.spec.format)
	s := &shape{format: f, sysAttrs: d.spec.sysAttrs, changes: d.spec.showChanges, lang: d.spec.lang, only: d.spec.attributes, names: d.spec.names}
	dst := make([]byte, 0, 300+1024*len(d.echoes))
	dst = append(dst, `{"id":"urn:ngsi-ld:Notification:`+uuid()+`","type":"Notification","subscriptionId":`...)
	dst = appendText(dst, d.sub.id)
	dst = append(d.at.append(append(dst, `,"notifiedAt":"`...)), `","data":`...)
	if d.spec.accept == "application/geo+json" {
		dst = d.appendFeatures(dst, s)
	} else {
		for i, e := range d.echoes {
			dst = s.appendEcho(append(dst, "[,"[min(i, 1)]), e)
		}
		dst = append(dst, ']')
	}
	if d.spec.accept == "application/ld+json" {
		dst = appendText(append(dst, `,"@context":`...), d.names.url())
	}
	return append(dst, '}')
}

func (d *delivery) appendFeatures(dst []byte, s *shape) []byte {
	in := textValue(d.spec.names.url())
	s.context = &in
	dst = append(dst, `{"type":"FeatureCollection","features":`...)
	for i, e := range d.echoes {
		dst = s.appendFeature(append(dst, "[,"[min(i, 1)]), e.entity, e.attrs)
	}
	return append(dst, "]}"...)
}
