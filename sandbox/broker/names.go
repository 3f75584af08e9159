package broker

import "strings"

const (
	coreURL        = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.6.jsonld"
	coreFamily     = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context"
	coreVocabulary = "https://uri.etsi.org/ngsi-ld/"
	defaultContext = "https://uri.etsi.org/ngsi-ld/default-context/"
	nullURI        = "urn:ngsi-ld:null"
)

// names is a JSON-LD context: how names in a request are read and how they are
// written in its answer. Inside the broker a name of the core or the default
// context is kept short and any other as a full URI, so that the nil terms of
// the core context cost nothing.
type names struct {
	urls  []string          // as given, without the core context's
	terms map[string]string // term → URI or prefix; nil: the core context alone
	short map[string]string // URI → term
}

// coreNames is the core context.
func coreNames() *names { return &names{} }

// core reports whether it is the core context, in which names are as kept.
func (n *names) core() bool { return n.terms == nil }

// contextOf reads an @context of a request: a URL, a list of them, or an object
// of terms. A context that the broker does not hold is LdContextNotAvailable:
// it never fetches one.
func (b *Broker) contextOf(v value) (*names, *problem) {
	n := &names{}
	if p := b.addContext(n, v); p != nil {
		return nil, p
	}
	if n.core() {
		return n, nil
	}
	n.short = make(map[string]string, len(n.terms))
	for term, uri := range n.terms {
		uri = canonical(uri)
		if old, ok := n.short[uri]; !ok || term < old {
			n.short[uri] = term
		}
	}
	return n, nil
}

func (b *Broker) addContext(n *names, v value) *problem {
	switch v.kind {
	case list:
		for _, m := range v.members {
			if p := b.addContext(n, m.value); p != nil {
				return p
			}
		}
	case object:
		for _, m := range v.members {
			if uri := m.value.text; m.value.kind == text {
				n.add(m.name, uri)
			} else if id := m.value.textOf("@id"); id != "" {
				n.add(m.name, id)
			}
		}
	case text:
		if strings.HasPrefix(v.text, coreFamily) {
			return nil
		}
		terms, ok := b.options.Contexts[v.text]
		if !ok {
			return &problem{status: 503, kind: "LdContextNotAvailable", title: "Unable to download context", detail: v.text}
		}
		n.urls = append(n.urls, v.text)
		for term, uri := range terms {
			n.add(term, uri)
		}
	default:
		return badRequest("Invalid @context", "must be a JSON String, Array or Object")
	}
	return nil
}

func (n *names) add(term, uri string) {
	if n.terms == nil {
		n.terms = map[string]string{}
	}
	n.terms[term] = uri
}

// url is the context's address as it appears in a Link header.
func (n *names) url() string {
	if len(n.urls) == 0 {
		return coreURL
	}
	return n.urls[0]
}

// inside is the @context member of an ld+json answer.
func (n *names) inside() value {
	if len(n.urls) == 0 {
		return textValue(coreURL)
	}
	return textList(append(append([]string{}, n.urls...), coreURL))
}

// expand is the name as the broker keeps it.
func (n *names) expand(name string) string {
	if n.core() {
		return canonical(name)
	}
	if uri, ok := n.terms[name]; ok {
		return canonical(uri)
	}
	if prefix, rest, ok := strings.Cut(name, ":"); ok {
		if uri, known := n.terms[prefix]; known {
			return canonical(uri + rest)
		}
	}
	return canonical(name)
}

// compact is a kept name as the context writes it.
func (n *names) compact(name string) string {
	if term, ok := n.short[name]; ok {
		return term
	}
	return name
}

// canonical shortens a name of the core or the default context.
func canonical(name string) string {
	if !strings.HasPrefix(name, coreVocabulary) {
		return name
	}
	if rest, ok := strings.CutPrefix(name, defaultContext); ok && rest != "" {
		return rest
	}
	if rest := name[len(coreVocabulary):]; coreTerm(rest) {
		return rest
	}
	return name
}

// full is the URI of a kept name, as it stands in error details.
func full(name string) string {
	switch {
	case strings.Contains(name, ":"):
		return name
	case name == "location" || name == "observationSpace" || name == "operationSpace":
		return name
	case coreTerm(name):
		return coreVocabulary + name
	default:
		return defaultContext + name
	}
}

// coreTerm reports whether the core context defines the name under its own
// vocabulary (those that an attribute or a type is likely to be called).
func coreTerm(name string) bool {
	switch name {
	case "accept", "attributes", "attributeList", "attributeName", "attributeNames", "attributeTypes", "createdAt",
		"csf", "datasetId", "deletedAt", "detail", "endpoint", "endpointType", "entities", "entityCount", "entityId",
		"entityList", "errors", "expiresAt", "format", "geoQ", "geometry", "idPattern", "information", "instanceId",
		"isActive", "key", "lang", "languageMap", "lastFailure", "lastNotification", "lastSuccess", "location",
		"modifiedAt", "name", "notification", "notifiedAt", "observationInterval", "observationSpace", "observedAt",
		"operationSpace", "operations", "previousValue", "previousObject", "properties", "q", "reason", "receiverInfo",
		"relationships", "scope", "scopeQ", "status", "subscriptionId", "subscriptionName", "success", "tenant",
		"throttling", "timeInterval", "timesSent", "timestamp", "title", "triggerReason", "typeList", "typeName",
		"typeNames", "unchanged", "unitCode", "updated", "uri", "values", "watchedAttributes":
		return true
	}
	return false
}
