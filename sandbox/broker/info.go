package broker

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	version    = "post-v1.7.0"
	oldVersion = "1.15.0-next"
	gitHash    = "36a8d1722ec9ab7a3218095412025fe97fc28321"
)

// fixedRoutes are the resources that have one path.
func fixedRoutes() map[string]route {
	return map[string]route{
		"/version":                         onlyGet(getVersion),
		"/ngsi-ld/ex/v1/version":           onlyGet(getParts),
		"/ngsi-ld/ex/v1/ping":              onlyGet(getPing),
		"/ngsi-ld/ex/v1/tenants":           onlyGet(getTenants),
		"/ngsi-ld/ex/v1/dbIndexes":         onlyGet(emptyList),
		"/ngsi-ld/v1/csourceRegistrations": onlyGet(emptyList),
		"/ngsi-ld/v1/info/sourceIdentity":  onlyGet(getIdentity),
		"/ngsi-ld/v1/types":                onlyGet(getTypes),
		"/ngsi-ld/v1/attributes":           onlyGet(getAttributes),
		"/ngsi-ld/v1/jsonldContexts":       onlyGet(getContexts),
	}
}

// otherPath is what is outside the NGSI-LD API: remains of another one, which
// this broker does not speak, or nothing.
func otherPath(path string) route {
	body := ""
	switch first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); first {
	case "admin":
		body = `{"error":"NotImplemented","description":"Non NGSI-LD requests are not supported with -mongocOnly is set"}`
	case "statistics", "exit", "cache", "log", "v2":
		body = `{"orionError":{"code":"501","reasonPhrase":"Not Implemented","details":"Non NGSI-LD requests are not supported with -mongocOnly is set"}}`
	default:
		return route{}
	}
	return onlyGet(func(*request) answer {
		return answer{status: http.StatusNotImplemented, body: []byte(body)}.with("Fiware-Correlator", uuid())
	})
}

func getPing(*request) answer { return answer{status: 200, body: []byte(`{"response":"pong"}`)} }

func emptyList(*request) answer { return answer{status: 200, body: []byte("[]")} }

func getVersion(q *request) answer {
	up := q.broker.options.Now().Sub(q.broker.started)
	uptime := strconv.Itoa(int(up.Hours())/24) + " d, " + strconv.Itoa(int(up.Hours())%24) + " h, " +
		strconv.Itoa(int(up.Minutes())%60) + " m, " + strconv.Itoa(int(up.Seconds())%60) + " s"
	v := value{kind: object, members: []member{
		{"orionld version", textValue(version)},
		{"orion version", textValue(oldVersion)},
		{"uptime", textValue(uptime)},
		{"git_hash", textValue(gitHash)},
		{"doc", textValue("https://fiware-orion.readthedocs.org/en/master/")},
	}}
	return answer{status: 200, body: appendValue(nil, v)}.with("Fiware-Correlator", uuid())
}

// parts is what the broker tells of its make that can be told of this one.
func (q *request) parts() value {
	subs := 0
	for _, t := range q.broker.all() {
		t.mu.RLock()
		subs += len(t.subs)
		t.mu.RUnlock()
	}
	return value{kind: object, members: []member{
		{"Orion-LD version", textValue(version)},
		{"based on orion", textValue(oldVersion)},
		{"branch", textValue("develop")},
		{"cached subscriptions", value{kind: number, text: strconv.Itoa(subs)}},
		{"Core Context", textValue(coreURL)},
	}}
}

func getParts(q *request) answer { return answer{status: 200, body: appendValue(nil, q.parts())} }

func getIdentity(q *request) answer {
	up := q.broker.options.Now().Sub(q.broker.started).Truncate(time.Second)
	two := func(n int) string { return string([]byte{byte('0' + n/10%10), byte('0' + n%10)}) }
	v := value{kind: object, members: []member{
		{"id", textValue("urn:ngsi-ld:cs:000001")},
		{"type", textValue("ContextSourceIdentity")},
		{"contextSourceUptime", textValue("PT" + two(int(up.Hours())) + "H" + two(int(up.Minutes())%60) + "M" + two(int(up.Seconds())%60) + "S")},
		{"contextSourceTimeAt", textValue(q.now.String())},
		{"contextSourceAlias", textValue("d1")},
		{"contextSourceExtras", q.parts()},
	}}
	return answer{status: 200, body: appendValue(nil, v)}
}

func getTenants(q *request) answer {
	var out []string
	for _, t := range q.broker.all() {
		if t.name != "" {
			out = append(out, t.name)
		}
	}
	slices.Sort(out)
	return answer{status: 200, body: appendValue(nil, textList(out))}
}

// getTypes lists the types of the stored entities.
func getTypes(q *request) answer {
	return q.discovery("EntityTypeList", "typeList", func(e *entity, add func(string)) { add(e.typ) })
}

// getAttributes lists the names of the attributes of all stored entities.
func getAttributes(q *request) answer {
	return q.discovery("AttributeList", "attributeList", func(e *entity, add func(string)) {
		for i := range e.attrs {
			add(e.attrs[i].name)
		}
	})
}

func (q *request) discovery(kind, field string, names func(*entity, func(string))) answer {
	seen := map[string]bool{}
	var out []string
	q.tenant.mu.RLock()
	for _, s := range q.tenant.order {
		if s.entity == nil {
			continue
		}
		names(s.entity, func(name string) {
			if !seen[name] {
				seen[name] = true
				out = append(out, q.names.compact(name))
			}
		})
	}
	q.tenant.mu.RUnlock()
	slices.Sort(out)
	v := value{kind: object, members: []member{
		{"id", textValue("urn:ngsi-ld:" + kind + ":" + uuid())}, {"type", textValue(kind)}, {field, textList(out)}}}
	return q.found(appendValue(nil, v))
}

// getContexts lists the contexts that the broker holds.
func getContexts(q *request) answer {
	var out []string
	for url := range q.broker.options.Contexts {
		out = append(out, url)
	}
	slices.Sort(out)
	return answer{status: 200, body: appendValue(nil, textList(append([]string{coreURL}, out...)))}
}
