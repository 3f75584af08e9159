package plans

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// EntityType is the type of the entities that plans are.
const EntityType = "HomingPlan"

// idPrefix comes before a plan's id in the id of its entity.
const idPrefix = "urn:ngsi-ld:HomingPlan:"

// Status is how far a plan has come.
type Status string

// The statuses, in their order. NotFound, Done and Failed are final.
const (
	Accepted   Status = "template"   // waits for translation
	Translated Status = "translated" // candidates can be drawn
	Solving    Status = "solving"
	Solved     Status = "solved" // something is to be reserved yet
	Reserving  Status = "reserving"
	Done       Status = "done"
	NotFound   Status = "not found"
	Failed     Status = "error"
)

// final reports whether nothing more happens to a plan.
func (s Status) final() bool { return s == Done || s == NotFound || s == Failed }

// The attributes of a plan's entity, each a Property with a text.
const (
	attrOwner       = "planOwner" // AGENT_ID of the agent that works on it
	attrName        = "planName"
	attrStatus      = "planStatus"
	attrMessage     = "planMessage"
	attrCreated     = "planCreated"
	attrChanged     = "planChanged"
	attrAttempts    = "planAttempts"
	attrTransaction = "planTransaction"
	attrOrder       = "planOrder"   // JSON
	attrOutcome     = "planOutcome" // JSON
	attrHold        = "planHold"    // seconds from the end for which its room is nobody else's
	attrHeld        = "planHeld"    // that room, by element and resource, as JSON
)

// header are the attributes that tell how a plan stands.
var header = []string{attrOwner, attrName, attrStatus, attrMessage, attrCreated, attrChanged, attrAttempts}

// plan is one plan as its entity has it.
type plan struct {
	ID, Name         string
	Owner            string
	Status           Status
	Message          string
	Created, Changed time.Time
	Attempts         int
	Transaction      string
	Order, Outcome   string // JSON
	Hold             time.Duration
	Held             string // JSON
}

func entityID(id string) ngsild.EntityID { return ngsild.EntityID(idPrefix + id) }

// texts are the plan's attributes.
func (p *plan) texts() map[string]string {
	return map[string]string{
		attrOwner: p.Owner, attrName: p.Name, attrStatus: string(p.Status), attrMessage: p.Message, attrTransaction: p.Transaction,
		attrCreated: p.Created.UTC().Format(time.RFC3339Nano), attrChanged: p.Changed.UTC().Format(time.RFC3339Nano),
		attrAttempts: fmt.Sprint(p.Attempts), attrOrder: p.Order, attrOutcome: p.Outcome,
		attrHold: fmt.Sprint(int(p.Hold / time.Second)), attrHeld: p.Held,
	}
}

// properties makes normalized attributes of texts.
func properties(texts map[string]string) map[string]any {
	attrs := make(map[string]any, len(texts))
	for name, text := range texts {
		attrs[name] = map[string]any{"type": "Property", "value": text}
	}
	return attrs
}

// planOf reads a plan. What is not there or unreadable is zero.
func planOf(e *ngsild.Entity) plan {
	text := func(name string) string {
		t, _ := e.Text(name)
		return t
	}
	moment := func(name string) time.Time {
		at, err := time.Parse(time.RFC3339Nano, text(name))
		if err != nil {
			return time.Time{}
		}
		return at
	}
	p := plan{
		ID: strings.TrimPrefix(string(e.ID), idPrefix), Name: text(attrName), Owner: text(attrOwner), Status: Status(text(attrStatus)),
		Message: text(attrMessage), Created: moment(attrCreated), Changed: moment(attrChanged),
		Transaction: text(attrTransaction), Order: text(attrOrder), Outcome: text(attrOutcome), Held: text(attrHeld),
	}
	_, _ = fmt.Sscan(text(attrAttempts), &p.Attempts) // otherwise none
	hold := 0
	_, _ = fmt.Sscan(text(attrHold), &hold) // otherwise none
	p.Hold = time.Duration(hold) * time.Second
	return p
}

// outcome is what solving brought, as it is kept and shown.
type outcome struct {
	Recommendations []map[string]homing.Placement `json:"recommendations,omitempty"`
	// Objectives belong to the recommendations, in their order.
	Objectives []objective                `json:"objectives,omitempty"`
	Optimal    *bool                      `json:"optimal,omitempty"`
	Bound      *float64                   `json:"bound,omitempty"`
	Gap        *float64                   `json:"gap,omitempty"`
	RunnerUp   *homing.RunnerUp           `json:"runner_up,omitempty"`
	Removed    map[string]map[string]int  `json:"removed,omitempty"`
	Conflict   []string                   `json:"conflict,omitempty"`
	Errors     []*homing.PathError        `json:"errors,omitempty"`
	Notes      []string                   `json:"notes,omitempty"`
	Elapsed    float64                    `json:"elapsed_ms,omitempty"`
	Reserved   map[string]map[string]bool `json:"reserved,omitempty"` // candidates that were reserved, by reservation
}

type objective struct {
	Value float64       `json:"value"`
	Terms []homing.Term `json:"terms"`
}

// view is a plan as callers see it.
type view struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Status  Status `json:"status"`
	Message string `json:"message,omitempty"`
	Created string `json:"created"`
	outcome
	Links []link `json:"links"`
}

type link struct {
	Href string `json:"href"`
	Rel  string `json:"rel"`
}

func (p *plan) view() view {
	v := view{ID: p.ID, Name: p.Name, Status: p.Status, Message: p.Message, Created: p.Created.UTC().Format(time.RFC3339), Links: []link{{"/v1/plans/" + p.ID, "self"}}}
	if p.Status.final() {
		_ = json.Unmarshal([]byte(p.Outcome), &v.outcome) // only we write it; unreadable is as good as lost
	}
	return v
}

// compact is JSON without the escapes that only HTML needs.
func compact(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
