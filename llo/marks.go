package llo

// Owner is the label that says which agent an object belongs to. Its value is
// the agent's id; only objects that carry it are changed or deleted.
const Owner = "hlo-agent.github.io/owner"

// The annotations of an owned object. All but InputHash are rendered by the
// caller; this package reads EntityAnnotation and stamps InputHash, and leaves the
// meaning of the others to the caller.
const (
	// EntityAnnotation holds the full id of the entity that the object was made for.
	EntityAnnotation = markPrefix + "entity"
	// ServiceAnnotation holds the id of the service that the entity is part of.
	ServiceAnnotation = markPrefix + "service"
	// OriginAnnotation says how the order came here: "broker" or "hlo_al".
	OriginAnnotation = markPrefix + "origin"
	// ElementAnnotation holds the id of the element that the object was placed on.
	ElementAnnotation = markPrefix + "element"
	// AllocationAnnotation holds what another domain asked for, where it did.
	AllocationAnnotation = markPrefix + "allocation"
	// AllocationPlaced holds the digest of that since the entity was seen placed as it says.
	AllocationPlaced = markPrefix + "allocation-placed"
	// PausedAnnotation says that the object is left as it is.
	PausedAnnotation = markPrefix + "paused"
	// DeletePolicy with the value Orphan says that the object is released, not deleted,
	// when it is not wanted any more.
	DeletePolicy = markPrefix + "delete-policy"
	// InputHash holds a digest of everything that was rendered, in hexadecimal.
	InputHash = markPrefix + "input-hash"
	// MovedFrom and MovedAt describe a move that is under way.
	MovedFrom = markPrefix + "moved-from"
	MovedAt   = markPrefix + "moved-at"
)

// Orphan is the value of DeletePolicy that means something.
const Orphan = "orphan"

const markPrefix = "hlo-agent.github.io/"
