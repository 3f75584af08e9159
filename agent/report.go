package agent

import (
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// The reports that serviceComponentStatus can carry; the orders are in tracker.go.
const (
	statusRunning  = "Running"
	statusFinished = "Finished"
	statusFailed   = "Failed"

	statusMigrating = "Migrating" // on its way to another element
)

// Reasons in deploymentStatus that the loop itself gives. Those of a rendering
// come from package mapping, those of a running object from its own status.
const (
	reasonAwaitingPlacement = "AwaitingPlacement" // no element, and nobody here to choose one
	reasonPlacementTaken    = "PlacementTaken"    // the element was taken away; the object stays
	reasonAccepted          = "Accepted"          // the resource is there, its status has yet to come
	reasonStateUnknown      = "StateUnknown"      // still no status after STATUS_GRACE
	reasonDeadlineExceeded  = "DeadlineExceeded"  // no progress for PROGRESS_DEADLINE
	reasonOverloaded        = "Overloaded"        // Overload was ordered and nothing here can place anew
	reasonNameHeld          = "NameHeld"          // somebody else's object has the name
	reasonKindMissing       = "KindMissing"       // the cluster does not know the kind
	reasonInvalid           = "Invalid"           // it cannot be rendered
	reasonRejected          = "Rejected"          // the API server refuses the object
	reasonRestarting        = "Restarting"        // the ended object goes before the new one comes
	reasonTerminating       = "Terminating"       // an object of the name is still going
	reasonPaused            = "Paused"            // by orchestrationPaused or an annotation: nothing is changed
	reasonKept              = "KeptByPolicy"      // SYNC_POLICY forbids what would have to be done
	reasonMoving            = "Moving"            // the new object is not running yet
	reasonMoveTimedOut      = "MoveTimedOut"      // taken back to the element before
	reasonRemoving          = "Removing"          // ordered away, the object is going
	reasonContested         = "StatusContested"   // another writer keeps changing the report
	reasonOverlayMissing    = "OverlayMissing"    // its place in the service's overlay network is not made yet
	reasonDomainRefused     = "DomainRefused"     // the element's domain does not take the component
	reasonDomainUnreachable = "DomainUnreachable" // the element's domain cannot be asked
	reasonRemoved           = "Removed"           // ordered away, and gone
	reasonOrphaned          = "Orphaned"          // ordered away; the object stays, and is nobody's

	reasonClusterUnreachable = "ClusterUnreachable" // the cluster does not answer, or its kubeconfig cannot be used

	reasonPlacing             = "Placing"             // an element is being chosen
	reasonNoElementFits       = "NoElementFits"       // no element satisfies the requirements
	reasonUndecided           = "Undecided"           // the time to choose an element was over before one was found
	reasonTemplateInvalid     = "TemplateInvalid"     // the service's homingTemplate cannot be read
	reasonRequirementsInvalid = "RequirementsInvalid" // the component's requirements cannot be read
	reasonRequirementsMissing = "RequirementsMissing" // the requirements' entity is not there
	reasonElementForeign      = "ElementForeign"      // asked for by another domain, for an element that is not ours
	reasonSecretsLost         = "SecretsNotKept"      // what the mapping makes does not hold the credentials that were sent
	reasonElementUnfit        = "ElementUnfit"        // the element is not ready or silent, and no other fits
)

// statusKeys are the keys of deploymentStatus: always all of them, because a
// merge in the broker merges inside the value and would keep what is left out.
var statusKeys = []string{"phase", "reason", "message", "apiVersion", "kind", "namespace", "name", "uid", "cluster", "observedGeneration", "inputHash"}

// status is what deploymentStatus says: where a component stands, and why.
type status struct {
	Phase                mapping.Phase
	Reason, Message      string
	APIVersion, Kind     string
	Namespace, Name, UID string
	Cluster, InputHash   string
	ObservedGeneration   int64

	// What else is written in the same PATCH; "" and false leave it alone.
	componentStatus, element string
	clearElement             bool
	properties               map[string]any // that the mapping wants written back
}

// value is the status as a flat JSON object.
func (s *status) value() map[string]any {
	return map[string]any{
		"phase": string(s.Phase), "reason": s.Reason, "message": s.Message,
		"apiVersion": s.APIVersion, "kind": s.Kind, "namespace": s.Namespace, "name": s.Name,
		"uid": s.UID, "cluster": s.Cluster, "observedGeneration": s.ObservedGeneration, "inputHash": s.InputHash,
	}
}

// reported reads deploymentStatus back from an entity.
func reported(e *ngsild.Entity) status {
	value, _ := e.Attrs[attrDeployment].Value.(map[string]any)
	text := func(key string) string { s, _ := value[key].(string); return s }
	generation, _ := value["observedGeneration"].(int64)
	return status{
		Phase: mapping.Phase(text("phase")), Reason: text("reason"), Message: text("message"),
		APIVersion: text("apiVersion"), Kind: text("kind"), Namespace: text("namespace"), Name: text("name"),
		UID: text("uid"), Cluster: text("cluster"), InputHash: text("inputHash"), ObservedGeneration: generation,
	}
}

// reportOf is the serviceComponentStatus that goes with a phase. Where the
// phase has no word of its own, an order that is still open is put back, and
// any other word is left alone.
func reportOf(s *status, p placement, objectRuns bool) string {
	switch {
	case s.Phase == mapping.Refused && objectRuns:
		return statusRunning
	case s.Reason == reasonOverloaded:
		return string(overload)
	case s.Phase == mapping.Running:
		return statusRunning
	case s.Phase == mapping.Succeeded:
		return statusFinished
	case s.Phase == mapping.Failed, s.Phase == mapping.Refused:
		return statusFailed
	case s.Reason == reasonRemoved:
		return statusFinished
	}
	return string(p.order)
}

// changes are the attributes of one PATCH that brings the entity to s: empty
// when it says so already. Each is whole, in the dialect that was read.
func changes(e *ngsild.Entity, s *status, now time.Time) map[string]any {
	attrs := map[string]any{}
	value := s.value()
	if had := e.Attrs[attrDeployment]; !holds(had.Value, value) {
		attrs[attrDeployment] = map[string]any{
			"type": "Property", "value": value,
			"observedAt": now.UTC().Format("2006-01-02T15:04:05.000Z"),
		}
	}
	if s.componentStatus != "" && !equalFold(e.Enum(attrStatus), s.componentStatus) {
		attrs[attrStatus] = enumAttribute(e, attrStatus, "ServiceComponentStatus", s.componentStatus)
	}
	for name, value := range s.properties {
		if !ngsild.Equal(e.Attrs[name].Value, value) {
			attrs[name] = map[string]any{"type": "Property", "value": value}
		}
	}
	switch {
	case s.clearElement && e.Has(attrElement):
		attrs[attrElement] = map[string]any{"type": "Relationship", "object": "urn:ngsi-ld:null"}
	case s.element != "" && string(firstLink(e, attrElement)) != s.element:
		attrs[attrElement] = map[string]any{"type": "Relationship", "object": s.element}
	}
	return attrs
}

// holds says whether the broker's value already says everything in want.
// What else is in it is somebody's addition, or the remains of an older agent.
func holds(value any, want map[string]any) bool {
	have, ok := value.(map[string]any)
	if !ok {
		return false
	}
	for _, key := range statusKeys {
		if v, there := have[key]; !there || !ngsild.Equal(v, want[key]) {
			return false
		}
	}
	return true
}

// enumAttribute writes an enumeration's word in the dialect of the attribute
// that is there: a bare word in a Property, or a Relationship to its entity.
func enumAttribute(e *ngsild.Entity, name, enum, word string) map[string]any {
	if text, ok := e.Text(name); ok && e.Attrs[name].Kind != ngsild.Relationship && !strings.HasPrefix(text, "urn:") {
		return map[string]any{"type": "Property", "value": word}
	}
	return map[string]any{"type": "Relationship", "object": "urn:ngsi-ld:" + enum + ":" + word}
}

// written is attrs in the form that tracker.wrote keeps.
func written(attrs map[string]any) map[string]string {
	out := map[string]string{}
	for name, a := range attrs {
		m := a.(map[string]any)
		text, _ := m["object"].(string)
		if word, ok := m["value"].(string); ok {
			text = word
		}
		if text == "urn:ngsi-ld:null" {
			text = ""
		}
		out[name] = text
	}
	return out
}

// applied is the entity after attrs were merged into it.
func applied(e ngsild.Entity, attrs map[string]any) ngsild.Entity {
	merged := make(map[string]ngsild.Attribute, len(e.Attrs)+len(attrs))
	for name, a := range e.Attrs {
		merged[name] = a
	}
	for name, a := range attrs {
		m := a.(map[string]any)
		switch {
		case m["object"] == "urn:ngsi-ld:null":
			delete(merged, name)
		case m["type"] == "Relationship":
			merged[name] = ngsild.Attribute{Kind: ngsild.Relationship, Value: m["object"]}
		default:
			merged[name] = ngsild.Attribute{Kind: ngsild.Property, Value: m["value"]}
		}
	}
	e.Attrs = merged
	return e
}
