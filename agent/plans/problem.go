package plans

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/hlo-agent/hlo-agent/homing"
)

// problem is an answer that is no success (RFC 9457). Causes of our own are logged
// and never in it.
type problem struct {
	Type   string `json:"type"` // without its beginning
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Errors are everything wrong with a request or template, by path.
	Errors []*homing.PathError `json:"errors,omitempty"`

	retryAfter time.Duration
}

func templateProblem(status int, wrong []*homing.PathError) problem {
	return problem{Status: status, Type: "template", Title: "The template is not right", Detail: summary(wrong), Errors: wrong}
}

func (p problem) write(w http.ResponseWriter) {
	p.Type = "https://hlo-agent.github.io/problems/" + p.Type
	text, err := json.Marshal(p)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.retryAfter/time.Second)))
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(text, '\n')) // the caller went away
}
