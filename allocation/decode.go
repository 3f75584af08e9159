package allocation

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Form is one of the three bodies that are in use.
type Form int

// The forms, by what they are told by.
const (
	Flat  Form = iota // variables as maps, the element as text, ports as a list
	Newer             // service_component and scomponent_network_conf, variables as lists
	Older             // as Flat, with one port as an object
)

// Request is a body that was read.
type Request struct {
	Allocation
	Form Form
	// networkSaid is set when the body says anything of an overlay, null included.
	networkSaid bool
}

// Decode reads the body that asks for a component of a service. What is wrong
// with it is a Faults error with everything that was found.
func Decode(body []byte, service ngsild.EntityID) (Request, error) {
	r, err := decode(body, map[Form]string{Flat: "ServiceComponentAllocation", Newer: "ServiceComponentAllocationWithNetwork", Older: "OlderServiceComponentAllocation"})
	if err != nil {
		return r, err
	}
	r.Service = service
	if before, _, ok := strings.Cut(string(r.Component), ":Component:"); ok && service != "" && before != string(service) {
		return r, Faults{{Path: r.Form.at("/id"), Rule: "is of another service than the path"}}
	}
	return r, nil
}

// DecodeUpdate reads the body of a change of that component. It need not name it.
func DecodeUpdate(body []byte, service, component ngsild.EntityID) (Request, error) {
	r, err := decode(body, map[Form]string{Flat: "ServiceComponentParameters", Newer: "ServiceComponentParametersWithNetwork", Older: "OlderServiceComponentParameters"})
	if err != nil {
		return r, err
	}
	if r.Component != "" && r.Component != component {
		return r, Faults{{Path: r.Form.at("/id"), Rule: "is another component than that of the path"}}
	}
	r.Service, r.Component = service, component
	return r, nil
}

// at is the place of a component's member in a body of that form.
func (f Form) at(path string) string {
	if f == Newer {
		return "/service_component" + path
	}
	return path
}

// Over is what the component becomes when r is asked for over what it is. A flat
// body says nothing of what it has no words for, and such things stay; so do
// credentials and the overlay network where a body leaves them out, since they
// are never shown to who asks for what there is.
func (r *Request) Over(is *Allocation) Allocation {
	a := r.Allocation
	if r.Form != Newer {
		a.ExposePorts, a.IsJob, a.IsPrivate = is.ExposePorts, is.IsJob, is.IsPrivate
		a.Username, a.Password = is.Username, is.Password
		a.Orchestrator, a.Kind = is.Orchestrator, is.Kind
	}
	if a.IsPrivate != nil && *a.IsPrivate && a.Username == "" && a.Password == "" {
		a.Username, a.Password = is.Username, is.Password
	}
	if !r.networkSaid {
		a.Network = is.Network
	}
	if a.Hostname == "" && a.Element == is.Element {
		a.Hostname = is.Hostname
	}
	for i := range a.Ports { // what was known of a port is still known
		for _, p := range is.Ports {
			if a.Ports[i].Protocol == "" && p.Number == a.Ports[i].Number {
				a.Ports[i].Protocol = p.Protocol
			}
		}
	}
	return a
}

func decode(body []byte, schemas map[Form]string) (Request, error) {
	var value any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return Request{}, Faults{{Rule: notJSON(err)}}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Request{}, Faults{{Rule: "must be one JSON object and nothing after it"}}
	}
	object, ok := value.(map[string]any)
	if !ok {
		return Request{}, Faults{{Rule: "must be a JSON object"}}
	}
	form := formOf(object)
	if faults := validate(schemas[form], object); len(faults) > 0 {
		return Request{Form: form}, faults
	}
	var b struct {
		component
		Component *component       `json:"service_component"`
		Network   *json.RawMessage `json:"scomponent_network_conf"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(body, &b); err != nil {
		return Request{Form: form}, Faults{{Rule: notJSON(err)}} // the schema has seen to all but extremes
	}
	c := &b.component
	if form == Newer {
		c = b.Component
	}
	r := Request{Form: form, Allocation: c.allocation()}
	if form == Newer {
		_, r.networkSaid = object["scomponent_network_conf"]
		if b.Network != nil {
			var n network
			if err := kjson.UnmarshalCaseSensitivePreserveInts(*b.Network, &n); err != nil {
				return r, Faults{{Path: "/scomponent_network_conf", Rule: notJSON(err)}}
			}
			r.Network = n.network()
		}
	}
	return r, nil
}

func formOf(object map[string]any) Form {
	if _, ok := object["service_component"]; ok {
		return Newer
	}
	if _, ok := object["ports"].(map[string]any); ok {
		return Older
	}
	return Flat
}

// notJSON says what is wrong without what the text says.
func notJSON(err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("is not JSON, from byte %d on", syntax.Offset)
	case errors.As(err, &typ):
		return fmt.Sprintf("has a value of the wrong type before byte %d", typ.Offset)
	}
	return "is not complete JSON"
}

// component is a component in any of the forms; the schema tells them apart.
type component struct {
	ID           string     `json:"id"`
	Image        string     `json:"image"`
	EnvVars      pairs      `json:"envVars"`
	CLIArgs      pairs      `json:"cliArgs"`
	Element      element    `json:"infrastructure_element"`
	Ports        ports      `json:"ports"`
	Kind         string     `json:"orchestration_type"`
	Orchestrator string     `json:"llo_id"`
	ExposePorts  *bool      `json:"exposePorts"`
	IsJob        *bool      `json:"isJob"`
	IsPrivate    *bool      `json:"isPrivate"`
	Username     string     `json:"repoUsername"`
	Password     secretText `json:"repoPassword"`
}

// secretText is read as it is, unlike a Secret, which cannot be written.
type secretText string

func (c *component) allocation() Allocation {
	a := Allocation{
		Component: ngsild.EntityID(c.ID), Element: ngsild.EntityID(c.Element.ID), Hostname: c.Element.Hostname,
		Orchestrator: ngsild.EntityID(c.Orchestrator), Kind: c.Kind, Image: c.Image,
		EnvVars: c.EnvVars, CLIArgs: c.CLIArgs, Ports: c.Ports,
		ExposePorts: c.ExposePorts, IsJob: c.IsJob, IsPrivate: c.IsPrivate,
	}
	if c.IsPrivate != nil && *c.IsPrivate { // else they are of no use, and must not be kept
		a.Username, a.Password = c.Username, ngsild.Secret(c.Password)
	}
	return a
}

// pairs reads a map, in order of its keys, or a list of keys with values.
type pairs []Pair

// UnmarshalJSON implements json.Unmarshaler.
func (p *pairs) UnmarshalJSON(text []byte) error {
	var list []struct {
		Key   string `json:"key"`
		Value scalar `json:"value"`
	}
	var byKey map[string]scalar
	if text[0] == '[' {
		if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &list); err != nil {
			return err
		}
	} else if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &byKey); err != nil {
		return err
	}
	*p = nil
	for _, item := range list {
		*p = append(*p, Pair{Key: item.Key, Value: string(item.Value)})
	}
	for key, value := range byKey {
		*p = append(*p, Pair{Key: key, Value: string(value)})
	}
	if byKey != nil {
		slices.SortFunc(*p, func(a, b Pair) int { return cmp.Compare(a.Key, b.Key) })
	}
	return nil
}

// scalar is a text, or a number or truth value as it was written; null is empty.
type scalar string

// UnmarshalJSON implements json.Unmarshaler.
func (s *scalar) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return kjson.UnmarshalCaseSensitivePreserveInts(text, (*string)(s))
	}
	if *s = scalar(text); *s == "null" {
		*s = ""
	}
	return nil
}

// element is an id, or an object with one.
type element struct{ ID, Hostname string }

// UnmarshalJSON implements json.Unmarshaler.
func (e *element) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return kjson.UnmarshalCaseSensitivePreserveInts(text, &e.ID)
	}
	var object struct {
		ID       string `json:"id"`
		Hostname string `json:"hostname"`
	}
	err := kjson.UnmarshalCaseSensitivePreserveInts(text, &object)
	e.ID, e.Hostname = object.ID, object.Hostname
	return err
}

// ports is a list, or one of them alone.
type ports []Port

// UnmarshalJSON implements json.Unmarshaler.
func (p *ports) UnmarshalJSON(text []byte) error {
	if text[0] == '{' {
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	var list []struct {
		Number   json.Number `json:"number"` // 80.0 is a whole number too
		Protocol string      `json:"protocol"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &list); err != nil {
		return err
	}
	*p = nil
	for _, item := range list {
		n, err := item.Number.Float64()
		if err != nil {
			return err
		}
		*p = append(*p, Port{Number: int32(n), Protocol: strings.ToUpper(item.Protocol)})
	}
	return nil
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

func (n *network) network() *Network {
	if *n == (network{}) {
		return nil
	}
	return &Network{Address: n.Address, DNS: n.DNS, PublicKey: n.PublicKey, Endpoint: n.Endpoint,
		AllowedIPs: n.AllowedIPs, PrivateKey: ngsild.Secret(n.PrivateKey)}
}
