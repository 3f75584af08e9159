package ngsild

import "strings"

// shorten returns the short name of a type or an attribute: without the
// prefixes of the core context and of the two publications of the aerOS model.
// Any other name stays whole, so that foreign attributes never pass for ours.
func shorten(name string) string {
	rest, ok := cutPrefixes(name)
	if !ok || rest == "" || strings.ContainsAny(rest, "/#") || reserved(rest) {
		return name
	}
	if known := wellKnown([]byte(rest)); known != "" {
		return known
	}
	return strings.Clone(rest)
}

func cutPrefixes(name string) (rest string, ok bool) {
	if !strings.Contains(name, ":") {
		return name, false
	}
	for _, prefix := range [...]string{
		"https://uri.etsi.org/ngsi-ld/default-context/",
		"https://uri.etsi.org/ngsi-ld/",
		"https://smartdatamodels.org/dataModel.IT/",
		"https://w3id.org/aerOS/continuum#",
		"ngsi-ld:default-context/",
		"ngsi-ld:",
	} {
		if rest, ok = strings.CutPrefix(name, prefix); ok {
			return rest, true
		}
	}
	return name, false
}

// reserved names are members of every entity; an attribute whose short name
// would be one of them keeps its long name.
func reserved(name string) bool {
	switch name {
	case "id", "type", "@id", "@type", "@context":
		return true
	default:
		return false
	}
}

// wellKnown returns the shared copy of a word that nearly every entity repeats,
// and "" for any other text. An agent keeps tens of thousands of entities, so
// their names must not be copied each time. The words of one length stand
// behind each other.
func wellKnown(text []byte) string {
	words := wordsOf(len(text))
	for ; words != ""; words = words[len(text):] {
		if words[:len(text)] == string(text) {
			return words[:len(text)]
		}
	}
	return ""
}
