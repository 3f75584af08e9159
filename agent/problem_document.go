package agent

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/hlo-agent/hlo-agent/allocation"
)

// problemBase is what the types of our problem documents begin with.
const problemBase = "https://hlo-agent.github.io/problems/"

// problemDocument is an answer that is no success (RFC 9457). Nothing in it may
// come from a value that was sent, nor from the inside.
type problemDocument struct {
	Type   string            `json:"type"` // without problemBase
	Title  string            `json:"title"`
	Status int               `json:"status"`
	Detail string            `json:"detail,omitempty"`
	Faults allocation.Faults `json:"faults,omitempty"`

	retryAfter time.Duration
}

func (p problemDocument) write(w http.ResponseWriter) {
	p.Type = problemBase + p.Type
	body, err := json.Marshal(p)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(p.retryAfter.Seconds())))))
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the caller went away
}
