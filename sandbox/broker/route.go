package broker

import "strings"

// operation is what a method on a route does.
type operation struct {
	do          func(*request) answer
	count       counter
	body        bool // it needs a body
	makesTenant bool
}

// route is a resource of the API. One without methods is not there.
type route struct {
	methods map[string]operation
	allow   string
}

// routes is the table of resources.
type routes struct {
	entities, entity, attrs, attr route
	batch                         map[string]route
	subscriptions, subscription   route
	fixed                         map[string]route // by path
}

func newRoutes() *routes {
	return &routes{
		entities: route{map[string]operation{
			"GET":    {do: listEntities, count: listRead},
			"POST":   {do: postEntity, count: entityWrite, body: true, makesTenant: true},
			"DELETE": {do: purgeEntities, count: entityWrite},
		}, "GET,POST,DELETE"},
		entity: route{map[string]operation{
			"GET":    {do: getEntity, count: entityRead},
			"PUT":    {do: putEntity, count: entityWrite, body: true},
			"PATCH":  {do: mergeEntity, count: entityWrite, body: true},
			"DELETE": {do: deleteEntity, count: entityWrite},
		}, "GET,PUT,PATCH,DELETE"},
		attrs: route{map[string]operation{
			"GET":   {do: getEntity, count: entityRead},
			"POST":  {do: postAttrs, count: entityWrite, body: true},
			"PATCH": {do: patchAttrs, count: entityWrite, body: true},
		}, "POST,PATCH"},
		attr: route{map[string]operation{
			"GET":    {do: getEntity, count: entityRead},
			"PATCH":  {do: patchAttr, count: entityWrite, body: true},
			"PUT":    {do: putAttr, count: entityWrite, body: true},
			"DELETE": {do: deleteAttr, count: entityWrite},
		}, "PUT,PATCH,DELETE"},
		batch: map[string]route{
			"create": onlyPost(operation{do: batchCreate, count: batchWrite, body: true, makesTenant: true}),
			"upsert": onlyPost(operation{do: batchUpsert, count: batchWrite, body: true, makesTenant: true}),
			"update": onlyPost(operation{do: batchUpdate, count: batchWrite, body: true}),
			"delete": onlyPost(operation{do: batchDelete, count: batchWrite, body: true}),
			"query":  onlyPost(operation{do: postQuery, count: listRead, body: true}),
		},
		subscriptions: route{map[string]operation{
			"GET":  {do: listSubscriptions, count: subscriptionRead},
			"POST": {do: postSubscription, count: subscriptionWrite, body: true, makesTenant: true},
		}, "GET,POST"},
		subscription: route{map[string]operation{
			"GET":    {do: getSubscription, count: subscriptionRead},
			"PATCH":  {do: patchSubscription, count: subscriptionWrite, body: true},
			"DELETE": {do: deleteSubscription, count: subscriptionWrite},
		}, "GET,PATCH,DELETE"},
		fixed: fixedRoutes(),
	}
}

func onlyPost(op operation) route { return route{map[string]operation{"POST": op}, "POST"} }

func onlyGet(do func(*request) answer) route {
	return route{map[string]operation{"GET": {do: do}}, "GET"}
}

// find is the route of an escaped path, and notes the parts of the path in q.
func (t *routes) find(path string, q *request) route {
	if r, ok := t.fixed[path]; ok {
		return r
	}
	rest, ok := strings.CutPrefix(path, "/ngsi-ld/v1/")
	if !ok {
		return otherPath(path)
	}
	kind, rest, deeper := strings.Cut(rest, "/")
	switch {
	case kind == "entities" && !deeper:
		return t.entities
	case kind == "entities":
		return t.inEntity(rest, q)
	case kind == "entityOperations":
		return t.batch[rest]
	case kind == "subscriptions" && !deeper:
		return t.subscriptions
	case kind == "subscriptions":
		q.id = unescape(rest, false)
		return t.subscription
	case kind == "temporal":
		return onlyGet(func(q *request) answer {
			return notSupported("Not Implemented in Orion-LD, please use Mintaka for this operation", q.path).answer()
		})
	}
	return route{}
}

// inEntity splits {id}, {id}/attrs and {id}/attrs/{attr}. A GET knows only the
// first and takes all of it for the id.
func (t *routes) inEntity(rest string, q *request) route {
	if q.http.Method == "GET" {
		q.id = unescape(rest, false)
		return t.entity
	}
	if id, ok := strings.CutSuffix(rest, "/attrs"); ok {
		q.id = unescape(id, false)
		return t.attrs
	}
	if i := strings.LastIndex(rest, "/attrs/"); i > 0 {
		q.id, q.attr = unescape(rest[:i], false), unescape(rest[i+len("/attrs/"):], false)
		return t.attr
	}
	q.id = unescape(rest, false)
	return t.entity
}

// refuse answers a method that the route does not have.
func (r route) refuse(q *request) answer {
	switch {
	case r.methods == nil:
		return notFound("Service Not Found", q.path).answer()
	case q.http.Method == "HEAD":
		return badRequest("Unsupported HTTP Verb", "HEAD").answer()
	case q.http.Method == "OPTIONS":
		return answer{status: 200}.with("Allow", r.allow+",OPTIONS")
	}
	return answer{status: 405}.with("Allow", r.allow)
}
