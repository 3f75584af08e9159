package allocation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

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
	said := object
	if form == Newer {
		said, _ = object["service_component"].(map[string]any)
	}
	r := Request{Form: form}
	if r.Allocation, ok = componentOf(said, form); !ok {
		return r, Faults{{Path: form.at("/ports"), Rule: "has a number that is none"}}
	}
	if form == Newer {
		var n any
		n, r.networkSaid = object["scomponent_network_conf"]
		r.Network = networkOf(n)
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
	var typ *json.UnmarshalTypeError // of a record; a body has none
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("is not JSON, from byte %d on", syntax.Offset)
	case errors.As(err, &typ):
		return fmt.Sprintf("has a value of the wrong type before byte %d", typ.Offset)
	}
	return "is not complete JSON"
}

// componentOf reads a component that fits its schema. ok is false for a number
// that only the schema takes for one.
func componentOf(said map[string]any, form Form) (a Allocation, ok bool) {
	a = Allocation{
		Component: ngsild.EntityID(text(said["id"])), Image: text(said["image"]),
		EnvVars: pairList(said["envVars"]), CLIArgs: pairList(said["cliArgs"]),
	}
	if a.Ports, ok = portList(said["ports"]); !ok {
		return a, false
	}
	if form != Newer {
		a.Element = ngsild.EntityID(text(said["infrastructure_element"]))
		return a, true
	}
	element, _ := said["infrastructure_element"].(map[string]any)
	a.Element, a.Hostname = ngsild.EntityID(text(element["id"])), text(element["hostname"])
	a.Kind, a.Orchestrator = text(said["orchestration_type"]), ngsild.EntityID(text(said["llo_id"]))
	a.ExposePorts, a.IsJob, a.IsPrivate = flag(said["exposePorts"]), flag(said["isJob"]), flag(said["isPrivate"])
	if a.IsPrivate != nil && *a.IsPrivate { // else they are of no use, and must not be kept
		a.Username, a.Password = text(said["repoUsername"]), ngsild.Secret(text(said["repoPassword"]))
	}
	return a, true
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func flag(v any) *bool {
	if b, ok := v.(bool); ok {
		return &b
	}
	return nil
}

// scalar is a text, or a number or truth value as it was written; null is empty.
func scalar(v any) string {
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return text(v)
}

// pairList reads a map, in order of its keys, or a list of keys with values.
func pairList(v any) []Pair {
	var pairs []Pair
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			item, _ := item.(map[string]any)
			pairs = append(pairs, Pair{Key: text(item["key"]), Value: scalar(item["value"])})
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			pairs = append(pairs, Pair{Key: key, Value: scalar(v[key])})
		}
	}
	return pairs
}

// portList reads a list, or one of them alone.
func portList(v any) (ports []Port, ok bool) {
	list, _ := v.([]any)
	if one, alone := v.(map[string]any); alone {
		list = []any{one}
	}
	for _, item := range list {
		item, _ := item.(map[string]any)
		number, _ := item["number"].(json.Number)
		n, err := number.Float64() // 80.0 is a whole number too
		if err != nil {
			return nil, false
		}
		ports = append(ports, Port{Number: int32(n), Protocol: strings.ToUpper(text(item["protocol"]))})
	}
	return ports, true
}

// networkOf is nil where nothing is said.
func networkOf(v any) *Network {
	said, _ := v.(map[string]any)
	n := Network{Address: text(said["Address"]), DNS: text(said["DNS"]), PublicKey: text(said["PublicKey"]), Endpoint: text(said["Endpoint"]),
		AllowedIPs: text(said["AllowedIPs"]), PrivateKey: ngsild.Secret(text(said["PrivateKey"]))}
	if n == (Network{}) {
		return nil
	}
	return &n
}
