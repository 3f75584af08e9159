package mapping

import (
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// readPort reads the number of a network port.
func readPort(value any, at place) (ref.Val, error) {
	number, isNumber := asInt(value)
	problem := ""
	switch {
	case blank(value):
		return nil, at.invalid(ReasonInvalidPort, at.name+at.of+" is not there")
	case !isNumber:
		problem = " is not a whole number"
	case number < 1 || number > 65535:
		problem = " is not between 1 and 65535"
	}
	if problem != "" {
		return nil, at.invalid(ReasonInvalidPort, at.name+" "+quoted(value)+at.of+problem)
	}
	return types.Int(number), nil
}

// readProtocol is TCP, UDP or SCTP. Of a word that is unknown the part after its last "/" counts, else
// it is TCP.
func readProtocol(value any, _ place) (ref.Val, error) {
	text, _ := asText(value)
	protocol, known := knownProtocol(text)
	if !known {
		protocol, known = knownProtocol(text[strings.LastIndexByte(text, '/')+1:])
	}
	if !known {
		protocol = "TCP"
	}
	return types.String(protocol), nil
}

func knownProtocol(text string) (string, bool) {
	text = strings.ToUpper(strings.TrimSpace(text))
	return text, text == "TCP" || text == "UDP" || text == "SCTP"
}

// registryHost is the host, with its port, that an image is pulled from.
func registryHost(image string) string {
	first, rest, found := strings.Cut(image, "/")
	if !found || rest == "" || !strings.ContainsAny(first, ".:") && first != "localhost" {
		return "docker.io"
	}
	return first
}
