package faults_test

import (
	"strings"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// and matches what all match.
func and(all ...faults.Match) faults.Match {
	return func(e faults.Exchange) bool {
		for _, m := range all {
			if !m(e) {
				return false
			}
		}
		return true
	}
}

func method(name string) faults.Match {
	return func(e faults.Exchange) bool { return e.Method == name }
}

// about matches what has the text in its path or query.
func about(text string) faults.Match {
	return func(e faults.Exchange) bool {
		return strings.Contains(e.Path, text) || strings.Contains(e.Query, text)
	}
}

// entityReads and the like are requests to the broker.
func entityReads(e faults.Exchange) bool {
	return e.Method == "GET" && strings.Contains(e.Path, "/entities/")
}

func entityLists(e faults.Exchange) bool {
	return e.Method == "GET" && strings.HasSuffix(e.Path, "/entities")
}

func entityWrites(e faults.Exchange) bool {
	return e.Method == "PATCH" && strings.Contains(e.Path, "/entities/")
}

func componentLists(e faults.Exchange) bool {
	return entityLists(e) && strings.Contains(e.Query, "type=ServiceComponent")
}

func aboutSubscriptions(e faults.Exchange) bool { return strings.Contains(e.Path, "/subscriptions") }

// clusterWrites are requests that change something; Events are told besides.
func clusterWrites(e faults.Exchange) bool { return e.Method != "GET" && !aboutEvents(e) }

func aboutEvents(e faults.Exchange) bool { return strings.Contains(e.Path, "/events") }
