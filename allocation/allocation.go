package allocation

import (
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Allocation is one component that is to run on one element, whoever asks for
// it and in whatever form. A nil pointer, an empty text and an empty list mean
// that nothing was said.
type Allocation struct {
	Component ngsild.EntityID
	Service   ngsild.EntityID
	// Element is empty only in messages: it is yet to be chosen, with Constraints.
	Element ngsild.EntityID
	// Hostname is the element's as the caller knows it. The element's entity decides.
	Hostname string
	// Orchestrator and Kind are what the caller expects to be used. The element's
	// entity and the mappings decide.
	Orchestrator ngsild.EntityID
	Kind         string

	Image   string
	EnvVars []Pair
	CLIArgs []Pair
	Ports   []Port

	ExposePorts, IsJob, IsPrivate *bool
	Username                      string
	Password                      ngsild.Secret

	// Network is the component's place in an overlay network; nil: in none.
	Network *Network

	// Previous is the element that a message moves the component away from.
	Previous ngsild.EntityID
	// Constraints are a message's limits for the choice of an element, by name.
	Constraints map[string]float64
}

// Pair is an environment variable or a command line argument; an empty value
// counts as none.
type Pair struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

// Port is a port of the component. Protocol is TCP, UDP or SCTP, and empty where
// the caller could not say.
type Port struct {
	Number   int32  `json:"number"`
	Protocol string `json:"protocol,omitempty"`
}

// Network is a WireGuard client's configuration.
type Network struct {
	Address    string // of the component in the overlay, with or without /32
	DNS        string
	PublicKey  string // of the handling domain
	Endpoint   string // host:port of the handling domain
	AllowedIPs string
	PrivateKey ngsild.Secret // of the component
}
