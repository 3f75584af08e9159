package broker

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lineHandler does what a kind of line in a capture says.
type lineHandler struct {
	pattern *regexp.Regexp
	do      func(r *replay, m []string)
}

func lineHandlers() []lineHandler {
	at := regexp.MustCompile
	return []lineHandler{
		{at(`^--- REQUEST.*`), (*replay).doExchange},
		{at(`^--- NOTIFICATIONS RECEIVED: (\d+)`), (*replay).doNotifications},
		{at(`^    NOTIFICATIONS: (\d+)$`), (*replay).doBriefNotifications},
		{at(`^--- PATCH attrs status=(\S+) -> 204`), (*replay).doPatchStatus},
		{at(`^    after a new update: (\d+)$`), (*replay).doCount},
		{at(`^    .*notifications?(?: [a-z -]+)?(?: in 20 s without a new update)?:? (\d+)(?: \(=retries\))?$`), (*replay).doCount},
		{at(`^    (?:listener up, one update while paused|15 s later): (\d+)`), (*replay).doCount},
		{at(`^    (?:notifications after PATCH expiresAt to the future|after PATCH isActive=true and an update): (\d+)$`), (*replay).doCount},
		{at(`^    notifications for 5 updates in 1 s: (\d+): \['(.*)'\]$`), (*replay).doFiveUpdates},
		{at(`^    next update after the window: (\d+)$`), (*replay).doCount},
		{at(`^--- GET subscription -> 200 status=(\w+) isActive=(\w+) notification=(\{.*\}) endpoint-fields=(\{.*\})$`), (*replay).doGetSubscription},
		{at(`^--- POST of (1\.1|0\.9) MB -> (\d+) .* b'(.*)'$`), (*replay).doBigPost},
		{at(`^--- q as read back: (".*")$`), (*replay).doReadQ},
		{at(`^--- 404 b'(.*)'$`), (*replay).doNoSubscription},
		{at(`^    q '.*': update status=(\w+) cpu=(\d+) -> (\d+) notification`), (*replay).doUpdateBoth},
		{at(`^--- broker restarted`), func(r *replay, _ []string) { r.broker.Restart(true) }},
		{at(`^    notification body: (.*)$`), (*replay).doOneNotification},
		{at(`^    GET sysAttrs: +(.*)$`), (*replay).doGetSysAttrs},
		{at(`^    notification request line: (.*)$`), (*replay).doRequestLine},
		{at(`^    sub: (\{.*\})$`), (*replay).doNotificationPart},
		{at(`^    (\[\('idw'.*\])$`), (*replay).doPairs},
		{at(`^--- GET (\?type=T\S+) .*Content-Length': '(\d+)'`), (*replay).doListSixty},
		{at(`^--- limit=1000 -> 200, 60 entities, order by creation: True$`), (*replay).doOrder},
		{at(`^--- 1001 entities -> 201 .*'Content-Length': '(\d+)'`), (*replay).doLargeBatch},
		{at(`^--- TCP connect to the socket service`), func(r *replay, m []string) { r.compare(m[0], "there is no socket service") }},
		{at(`^--- (POST|PATCH|GET|Content-Type|two|HTTP|idle)`), (*replay).doRaw},
	}
}

func (r *replay) doNotifications(m []string) {
	n, _ := strconv.Atoi(m[1])
	got := r.receiver.take(n, patience)
	if len(got) != n {
		r.t.Errorf("%s: got %d notifications, want %d: %+v", r.lines.where(), len(got), n, got)
		return
	}
	for i := range n {
		if title := r.lines.next(); !strings.HasPrefix(title, "<<<") {
			r.t.Fatalf("%s: want a notification", r.lines.where())
		}
		want, err := r.lines.message()
		if err != nil {
			r.t.Fatal(err)
		}
		for r.lines.more() && r.lines.peek() == "" {
			r.lines.next()
		}
		r.compare(want.first, compareNotifications(got[i], want, r.slack()))
	}
}

func compareNotifications(got received, want *message, slack time.Duration) string {
	if got.line != want.first {
		return fmt.Sprintf("got %s, want %s", got.line, want.first)
	}
	var headers []string
	for _, h := range want.headers {
		if h.key == "Content-Length" {
			h.value = strconv.Itoa(len(got.body))
		}
		headers = append(headers, h.key+": "+h.value)
	}
	if !slices.Equal(got.headers, headers) {
		return fmt.Sprintf("headers:\n got %q\nwant %q", got.headers, headers)
	}
	return compareJSON(got.body, want.body, slack)
}

// doBriefNotifications compares lines of a tag and a body. Their order in the
// capture is that of the receiver's threads.
func (r *replay) doBriefNotifications(m []string) {
	n, _ := strconv.Atoi(m[1])
	got := r.receiver.take(n, patience)
	if len(got) != n {
		r.t.Errorf("%s: got %d notifications, want %d", r.lines.where(), len(got), n)
		return
	}
	for range n {
		tag, body, _ := strings.Cut(strings.TrimSpace(r.lines.next()), " ")
		i := slices.IndexFunc(got, func(g received) bool { return g.tag() == tag })
		if i < 0 {
			r.t.Errorf("%s: no notification for %s", r.lines.where(), tag)
			return
		}
		r.compare(tag, compareJSON(got[i].body, body, r.slack()))
	}
}

func (r *replay) doPatchStatus(m []string) {
	r.exact = false
	if strings.HasPrefix(r.lines.name, "e06") && m[1] == "v6" {
		r.clock.Add(int64(3 * time.Second))
	}
	wait := !strings.HasPrefix(r.lines.name, "e13") && (!strings.HasPrefix(r.lines.name, "e04") || m[1] != "v2")
	r.patch(`{"status":{"type":"Property","value":"`+m[1]+`"}}`, wait)
}

func (r *replay) patch(body string, wait bool) {
	r.t.Helper()
	a := r.send("PATCH", "/entities/urn:ngsi-ld:SC:1/attrs", body, wait)
	if a.first != "HTTP/1.1 204 No Content" {
		r.t.Errorf("%s: PATCH attrs: %s %s", r.lines.where(), a.first, a.body)
	}
}

// doCount compares how many notifications came since the last time.
func (r *replay) doCount(m []string) {
	if strings.Contains(m[0], "listener up") {
		r.down.Store(false)
	}
	n, _ := strconv.Atoi(m[len(m)-1])
	if got := r.receiver.take(n, patience); len(got) != n {
		r.compare(m[0], fmt.Sprintf("got %d notifications", len(got)))
	}
	if strings.Contains(m[0], "after a new update") {
		r.down.Store(true)
	}
}

func (r *replay) doFiveUpdates(m []string) {
	got := r.receiver.take(1, patience)
	if strconv.Itoa(len(got)) != m[1] || !strings.HasSuffix(got[0].body, m[2]) {
		r.t.Errorf("%s: got %+v", r.lines.where(), got)
	}
}

func (r *replay) sub(id string) value {
	r.t.Helper()
	v, err := parse(r.send("GET", "/subscriptions/urn:ngsi-ld:Subscription:"+id, "", true).body)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *replay) doGetSubscription(m []string) {
	v := r.sub("e")
	active, _ := v.get("isActive")
	if v.textOf("status") != m[1] || !strings.EqualFold(active.text, m[2]) {
		r.compare(m[0], fmt.Sprintf("got status %s isActive %s", v.textOf("status"), active.text))
	}
	part, _ := v.get("notification")
	endpoint, _ := part.get("endpoint")
	rest := string(appendValue(nil, part.without("endpoint").without("format")))
	r.compare(m[0], compareJSON(rest, m[3], -1))
	r.compare(m[0], compareJSON(string(appendValue(nil, endpoint)), m[4], -1))
}

func (r *replay) doNotificationPart(m []string) {
	part, _ := r.sub("g").get("notification")
	r.compare(m[0], compareJSON(string(appendValue(nil, part)), m[1], -1))
}

func (r *replay) doReadQ(m []string) {
	q, _ := r.sub("e").get("q")
	r.compare(m[0], compareJSON(string(appendValue(nil, q)), m[1], -1))
}

func (r *replay) doNoSubscription(m []string) {
	r.compare(m[0], compareJSON(r.send("GET", "/subscriptions/urn:ngsi-ld:Subscription:e", "", true).body, m[1], -1))
}

func (r *replay) doUpdateBoth(m []string) {
	r.patch(`{"status":{"type":"Property","value":"`+m[1]+`"},"cpu":{"type":"Property","value":`+m[2]+`}}`, true)
	r.doCount(m)
}

func (r *replay) doOneNotification(m []string) {
	got := r.receiver.take(1, patience)
	if len(got) != 1 {
		r.t.Fatalf("%s: got %d notifications, want 1", r.lines.where(), len(got))
	}
	r.compare(m[0], compareJSON(got[0].body, m[1], r.slack()))
}

func (r *replay) doGetSysAttrs(m []string) {
	got := r.send("GET", "/entities/urn:ngsi-ld:SC:1?options=sysAttrs", "", true)
	r.compare(m[0], compareJSON(got.body, m[1], r.slack()))
}

func (r *replay) doRequestLine(m []string) {
	r.exact = false
	r.patch(`{"status":{"type":"Property","value":1}}`, true)
	want := 1
	if m[1] == "NONE" {
		want = 0
	}
	got := r.receiver.take(want, patience)
	if len(got) != want || want == 1 && got[0].line != m[1] {
		r.t.Errorf("%s: got %+v", r.lines.where(), got)
	}
}

// doPairs compares the tags and entities of the notifications so far.
func (r *replay) doPairs(m []string) {
	var pairs []string
	for _, g := range r.receiver.take(4, patience) {
		data, _ := stored(g.body).get("data")
		pairs = append(pairs, "('"+g.tag()+"', '"+data.members[0].value.textOf("id")+"')")
	}
	if got := "[" + strings.Join(pairs, ", ") + "]"; got != m[1] {
		r.t.Errorf("%s: got %s", r.lines.where(), got)
	}
}
