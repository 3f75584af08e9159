package allocation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// record is what is kept of an allocation on the object that was made for it.
// Credentials and the private key are not: they are in the object itself, where
// its orchestrator reads them.
type record struct {
	Service      string         `json:"service"`
	Element      string         `json:"element"`
	Hostname     string         `json:"hostname,omitempty"`
	Orchestrator string         `json:"orchestrator,omitempty"`
	Kind         string         `json:"kind,omitempty"`
	Image        string         `json:"image"`
	EnvVars      []Pair         `json:"envVars,omitempty"`
	CLIArgs      []Pair         `json:"cliArgs,omitempty"`
	Ports        []Port         `json:"ports,omitempty"`
	ExposePorts  *bool          `json:"exposePorts,omitempty"`
	IsJob        *bool          `json:"isJob,omitempty"`
	IsPrivate    *bool          `json:"isPrivate,omitempty"`
	Network      *networkRecord `json:"network,omitempty"`
}

type networkRecord struct {
	Address    string `json:"address"`
	DNS        string `json:"dns,omitempty"`
	PublicKey  string `json:"publicKey,omitempty"`
	Endpoint   string `json:"endpoint,omitempty"`
	AllowedIPs string `json:"allowedIps,omitempty"`
}

// Record is the text from which ParseRecord makes a again, its credentials and
// its private key left out. The same allocation has the same text.
func (a *Allocation) Record() string {
	r := record{
		Service: string(a.Service), Element: string(a.Element), Hostname: a.Hostname,
		Orchestrator: string(a.Orchestrator), Kind: a.Kind, Image: a.Image,
		EnvVars: a.EnvVars, CLIArgs: a.CLIArgs, Ports: a.Ports,
		ExposePorts: a.ExposePorts, IsJob: a.IsJob, IsPrivate: a.IsPrivate,
	}
	if n := a.Network; n != nil {
		r.Network = &networkRecord{n.Address, n.DNS, n.PublicKey, n.Endpoint, n.AllowedIPs}
	}
	text, err := json.Marshal(r)
	if err != nil {
		return "" // a struct of texts, numbers and truth values can always be written
	}
	return string(text)
}

// Digest tells allocations apart in few letters. Protocols of ports and secrets
// make no difference to it.
func (a *Allocation) Digest() string {
	b := *a
	b.Ports = nil
	for _, p := range a.Ports {
		b.Ports = append(b.Ports, Port{Number: p.Number})
	}
	sum := sha256.Sum256([]byte(b.Record()))
	return hex.EncodeToString(sum[:4])
}

// ParseRecord reads a record of that component. ReadSecrets completes it.
func ParseRecord(component ngsild.EntityID, text string) (Allocation, error) {
	var r record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return Allocation{}, fmt.Errorf("read what was asked for of %s: %s", component, notJSON(err))
	}
	a := Allocation{
		Component: component, Service: ngsild.EntityID(r.Service), Element: ngsild.EntityID(r.Element), Hostname: r.Hostname,
		Orchestrator: ngsild.EntityID(r.Orchestrator), Kind: r.Kind, Image: r.Image,
		EnvVars: r.EnvVars, CLIArgs: r.CLIArgs, Ports: r.Ports,
		ExposePorts: r.ExposePorts, IsJob: r.IsJob, IsPrivate: r.IsPrivate,
	}
	if n := r.Network; n != nil {
		a.Network = &Network{Address: n.Address, DNS: n.DNS, PublicKey: n.PublicKey, Endpoint: n.Endpoint, AllowedIPs: n.AllowedIPs}
	}
	return a, nil
}

// HasSecrets says whether there is anything that a record leaves out.
func (a *Allocation) HasSecrets() bool {
	return a.Username != "" || a.Password != "" || (a.Network != nil && a.Network.PrivateKey != "")
}

// WantsSecrets says whether what ParseRecord gave may lack any.
func (a *Allocation) WantsSecrets() bool {
	return (a.IsPrivate != nil && *a.IsPrivate) || a.Network != nil
}

// ReadSecrets takes credentials and the private key out of one of the objects
// that were made for a, where it has them: a resource of the aerOS orchestrators,
// or a pull Secret.
func (a *Allocation) ReadSecrets(object map[string]any) {
	spec, _ := object["spec"].(map[string]any)
	if registry, ok := spec["imageRegistry"].(map[string]any); ok {
		a.takeCredentials(registry["username"], registry["password"])
	}
	if overlay, ok := spec["networkOverlay"].(map[string]any); ok && a.Network != nil {
		key, _ := overlay["privateKey"].(string)
		a.Network.PrivateKey = ngsild.Secret(key)
	}
	data, _ := object["data"].(map[string]any)
	encoded, _ := data[".dockerconfigjson"].(string)
	if text, err := base64.StdEncoding.DecodeString(encoded); err == nil && len(text) > 0 {
		var config struct {
			Auths map[string]struct{ Username, Password string } `json:"auths"`
		}
		if json.Unmarshal(text, &config) == nil && len(config.Auths) == 1 {
			for _, auth := range config.Auths {
				a.takeCredentials(auth.Username, auth.Password)
			}
		}
	}
}

func (a *Allocation) takeCredentials(username, password any) {
	if a.IsPrivate == nil || !*a.IsPrivate {
		return
	}
	a.Username, _ = username.(string)
	secret, _ := password.(string)
	a.Password = ngsild.Secret(secret)
}

// Equal says whether a and b ask for the same, secrets included. Not compared is
// what decides nothing: hints, what a message adds for the choice of an element,
// and protocols, which are those of the port entities.
func (a *Allocation) Equal(b *Allocation) bool {
	return reflect.DeepEqual(a.compared(), b.compared())
}

func (a *Allocation) compared() Allocation {
	c := *a
	c.Hostname, c.Orchestrator, c.Kind, c.Previous, c.Constraints = "", "", "", "", nil
	c.ExposePorts, c.IsJob, c.IsPrivate = orFalse(a.ExposePorts), orFalse(a.IsJob), orFalse(a.IsPrivate)
	c.EnvVars, c.CLIArgs, c.Ports = none(a.EnvVars), none(a.CLIArgs), nil
	for _, p := range a.Ports {
		c.Ports = append(c.Ports, Port{Number: p.Number})
	}
	return c
}

func orFalse(b *bool) *bool {
	value := b != nil && *b
	return &value
}

func none(list []Pair) []Pair {
	if len(list) == 0 {
		return nil
	}
	return list
}
