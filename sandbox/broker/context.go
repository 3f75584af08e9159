package broker

import "strings"

// readContext finds the @context of the request: in the body with ld+json, else
// in the Link header, else the core context.
func (q *request) readContext(operation) *problem {
	q.names = coreNames()
	link := linkContext(q.http.Header.Values("Link"))
	if q.ld && link != "" {
		return badRequest("invalid combination of HTTP headers Content-Type and Link",
			"Content-Type is 'application/ld+json' AND Link header is present - not allowed")
	}
	inBody := q.body.kind == object && q.body.has("@context")
	switch {
	case q.ld && q.body.kind == list:
		return nil // each entity of a batch has its own
	case q.ld && !inBody:
		return noContext()
	case !q.ld && inBody:
		return unexpectedContext()
	case inBody:
		in, _ := q.body.get("@context")
		return q.use(in)
	case link != "":
		return q.use(textValue(link))
	}
	return nil
}

func noContext() *problem {
	return badRequest("@context missing in JSON payload",
		"For application/ld+json, the @context must be present in the JSON payload")
}

func unexpectedContext() *problem {
	return badRequest("Mismatch between /Content-Type/ and contents of the request payload body",
		"Content-Type is application/json, yet a '@context' item was present in the payload body")
}

func (q *request) use(context value) *problem {
	n, p := q.broker.contextOf(context)
	if p == nil {
		q.names = n
	}
	return p
}

// namesOf is the context of one entity of a batch.
func (q *request) namesOf(entity value) (*names, *problem) {
	in, ok := entity.get("@context")
	switch {
	case q.ld && !ok:
		return nil, noContext()
	case !q.ld && ok:
		return nil, unexpectedContext()
	case !ok:
		return q.names, nil
	}
	return q.broker.contextOf(in)
}

// linkContext is the URL of the JSON-LD context in Link headers.
func linkContext(links []string) string {
	for _, link := range links {
		if !strings.Contains(link, "json-ld#context") {
			continue
		}
		_, rest, _ := strings.Cut(link, "<")
		url, _, _ := strings.Cut(rest, ">")
		return url
	}
	return ""
}

const contextRel = `>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"`

func (n *names) link() string { return "<" + n.url() + contextRel }

// found answers with a body in the media type that the client accepts. An empty
// list has no context.
func (q *request) found(body []byte) answer {
	a := answer{status: 200, body: body, mime: q.accept}
	if q.accept != "application/ld+json" && string(body) != "[]" {
		a = a.with("Link", q.names.link())
	}
	return a
}

// partly answers in the way that PATCH and POST of attributes do.
func (q *request) partly(status int, body []byte) answer {
	return answer{status: status, body: body}.with("Link", q.names.link())
}
