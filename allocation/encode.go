package allocation

import (
	"encoding/json"
	"strings"
)

// Body is a in the newer form, as it is sent to another domain. It has the
// credentials and the key in clear.
func (a *Allocation) Body() ([]byte, error) {
	type both struct {
		Component newer    `json:"service_component"`
		Network   *network `json:"scomponent_network_conf"`
	}
	b := both{Component: a.newer()}
	b.Component.Username, b.Component.Password = a.Username, string(a.Password)
	if n := a.Network; n != nil {
		b.Network = &network{n.Address, n.DNS, n.PublicKey, n.Endpoint, n.AllowedIPs, string(n.PrivateKey)}
	}
	return json.Marshal(b)
}

// newer is a component in the newer form, with everything that it must have.
type newer struct {
	ID      string `json:"id"`
	Image   string `json:"image"`
	EnvVars []Pair `json:"envVars"`
	CLIArgs []Pair `json:"cliArgs"`
	Element struct {
		ID       string `json:"id"`
		Hostname string `json:"hostname"`
	} `json:"infrastructure_element"`
	Ports        []Port `json:"ports"`
	Kind         string `json:"orchestration_type"`
	Orchestrator string `json:"llo_id"`
	ExposePorts  bool   `json:"exposePorts"`
	IsJob        bool   `json:"isJob"`
	IsPrivate    bool   `json:"isPrivate"`
	Username     string `json:"repoUsername,omitempty"`
	Password     string `json:"repoPassword,omitempty"`
}

// network is a Network as it is sent. The names are those of the wg tool.
type network struct {
	Address    string `json:"Address"`
	DNS        string `json:"DNS"`
	PublicKey  string `json:"PublicKey"`
	Endpoint   string `json:"Endpoint"`
	AllowedIPs string `json:"AllowedIPs"`
	PrivateKey string `json:"PrivateKey"`
}

func (a *Allocation) newer() newer {
	said := func(b *bool) bool { return b != nil && *b }
	n := newer{
		ID: string(a.Component), Image: a.Image, EnvVars: a.EnvVars, CLIArgs: a.CLIArgs, Ports: a.Ports,
		Kind: a.Kind, Orchestrator: string(a.Orchestrator),
		ExposePorts: said(a.ExposePorts), IsJob: said(a.IsJob), IsPrivate: said(a.IsPrivate),
	}
	n.Element.ID, n.Element.Hostname = string(a.Element), a.Hostname
	if n.EnvVars == nil {
		n.EnvVars = []Pair{}
	}
	if n.CLIArgs == nil {
		n.CLIArgs = []Pair{}
	}
	if n.Ports == nil {
		n.Ports = []Port{}
	}
	return n
}

// State is how a component stands, for who asks.
type State struct {
	Phase   string `json:"phase"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Shown is the answer to who asks for a component: the flat form, in which a key
// that is there twice has its last value, the newer form, which loses nothing,
// and the state. It has neither credentials nor keys.
func (a *Allocation) Shown(s State) ([]byte, error) {
	type shown struct {
		Image     string            `json:"image"`
		EnvVars   map[string]string `json:"envVars,omitempty"`
		CLIArgs   map[string]string `json:"cliArgs,omitempty"`
		Element   string            `json:"infrastructure_element"`
		Ports     []Port            `json:"ports,omitempty"`
		Component newer             `json:"service_component"`
		State     State             `json:"state"`
	}
	return json.Marshal(shown{a.Image, byKey(a.EnvVars), byKey(a.CLIArgs), string(a.Element), a.Ports, a.newer(), s})
}

func byKey(list []Pair) map[string]string {
	m := make(map[string]string, len(list))
	for _, p := range list {
		m[p.Key] = p.Value
	}
	return m
}

// String names the component and its element, and nothing that could be secret.
func (a *Allocation) String() string {
	return strings.Join([]string{string(a.Component), "on", string(a.Element)}, " ")
}
