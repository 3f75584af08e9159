package mapping

import (
	"errors"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// The two ways in which rendering ends without objects, for errors.Is.
var (
	// ErrPending says that something linked is not there yet; wait for that very thing.
	ErrPending = errors.New("pending")
	// ErrInvalid says that the entities hold something that cannot be rendered; wait for new input.
	ErrInvalid = errors.New("invalid")
)

// Reasons of an Error. A mapping may add its own.
const (
	ReasonUnplaced            = "Unplaced"            // no infrastructureElement
	ReasonElementMissing      = "ElementMissing"      // the element's entity is not there
	ReasonOrchestratorMissing = "OrchestratorMissing" // the orchestrator's entity is not there
	ReasonDomainMissing       = "DomainMissing"       // the domain's entity is not there
	ReasonServiceMissing      = "ServiceMissing"      // the service's entity is not there
	ReasonPortMissing         = "PortMissing"         // the entity of a network port is not there
	ReasonUnknownTechnology   = "UnknownTechnology"   // no mapping is for the element's technology
	ReasonNoImage             = "NoImage"             // no container image
	ReasonInvalidPort         = "InvalidPort"         // a port number that is none
	ReasonInvalidValue        = "InvalidValue"        // an attribute of the wrong type or shape
	ReasonInvalidName         = "InvalidName"         // the rendered object has no legal name
	ReasonReservedName        = "ReservedName"        // a rendered label or annotation is the agent's own
	ReasonExpressionFailed    = "ExpressionFailed"    // an expression of the mapping does not fit the values
	ReasonMappingTie          = "MappingTie"          // two mappings of one priority are for the component
	ReasonNoObjects           = "NoObjects"           // the mapping renders nothing
	ReasonDuplicateObject     = "DuplicateObject"     // the mapping renders one object twice
	ReasonTooLarge            = "TooLarge"            // the rendered objects are too large
	ReasonPolicyDenied        = "PolicyDenied"        // the policy does not allow what was rendered
)

// Error says why a component cannot be rendered. Message is complete in itself, a single line, and
// free of secrets.
type Error struct {
	// Entity is the entity at fault, or the one that is missing.
	Entity ngsild.EntityID
	// Field is the attribute at fault, with an index for an item of a list: "envVars[2]".
	Field string
	// Reason is a CamelCase word for deploymentStatus.
	Reason  string
	Message string
	// Err is ErrPending or ErrInvalid.
	Err error
}

// Error names the entity and what is wrong with it.
func (e *Error) Error() string {
	return string(e.Entity) + ": " + e.Message
}

// Unwrap returns ErrPending or ErrInvalid.
func (e *Error) Unwrap() error { return e.Err }
