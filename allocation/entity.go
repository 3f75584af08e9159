package allocation

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Attributes of a component that an allocation speaks of.
const (
	attrService  = "service"
	attrElement  = "infrastructureElement"
	attrImage    = "containerImage"
	attrEnvVars  = "envVars"
	attrCLIArgs  = "cliArgs"
	attrPorts    = "networkPorts"
	attrExpose   = "exposePorts"
	attrJob      = "isJob"
	attrPrivate  = "isPrivate"
	attrUsername = "repoUsername"
	attrPassword = "repoPassword"
	// AttrNetwork holds what Network says, under the names of the custom resource:
	// internalIp, dns, publicKey, privateKey, endpoint, allowedIps. It is never in a broker.
	AttrNetwork = "networkOverlay"
)

// attributes are all of them: what an allocation says of a component replaces
// whatever the broker says under these names.
var attributes = []string{attrService, attrElement, attrImage, attrEnvVars, attrCLIArgs, attrPorts,
	attrExpose, attrJob, attrPrivate, attrUsername, attrPassword, AttrNetwork}

// Entity is the component as the broker would hold it. base is the broker's own
// state of it, whose other attributes are kept; it may be the zero value. The
// result has secrets in clear, which rendering needs: it must not be logged.
func (a *Allocation) Entity(base ngsild.Entity) ngsild.Entity {
	attrs := make(map[string]ngsild.Attribute, len(base.Attrs)+len(attributes))
	for name, value := range base.Attrs {
		attrs[name] = value
	}
	for _, name := range attributes {
		delete(attrs, name)
	}
	set := func(name string, kind ngsild.Kind, value any, there bool) {
		if there {
			attrs[name] = ngsild.Attribute{Kind: kind, Value: value}
		}
	}
	flag := func(name string, b *bool) {
		if b != nil {
			set(name, ngsild.Property, *b, true)
		}
	}
	set(attrService, ngsild.Relationship, string(a.Service), a.Service != "")
	set(attrElement, ngsild.Relationship, string(a.Element), a.Element != "")
	set(attrImage, ngsild.Property, a.Image, a.Image != "")
	set(attrEnvVars, ngsild.Property, pairValues(a.EnvVars), len(a.EnvVars) > 0)
	set(attrCLIArgs, ngsild.Property, pairValues(a.CLIArgs), len(a.CLIArgs) > 0)
	set(attrPorts, ngsild.Relationship, a.portLinks(), len(a.Ports) > 0)
	flag(attrExpose, a.ExposePorts)
	flag(attrJob, a.IsJob)
	flag(attrPrivate, a.IsPrivate)
	set(attrUsername, ngsild.Property, a.Username, a.Username != "")
	set(attrPassword, ngsild.Property, string(a.Password), a.Password != "")
	set(AttrNetwork, ngsild.Property, a.Network.value(), a.Network != nil)
	return ngsild.Entity{ID: a.Component, Type: "ServiceComponent", Attrs: attrs}
}

func pairValues(pairs []Pair) []any {
	out := make([]any, 0, len(pairs))
	for _, p := range pairs {
		v := map[string]any{"key": p.Key}
		if p.Value != "" {
			v["value"] = p.Value
		}
		out = append(out, v)
	}
	return out
}

// Attribute is AttrNetwork of a component in n. It has the private key in clear.
func (n *Network) Attribute() ngsild.Attribute {
	return ngsild.Attribute{Kind: ngsild.Property, Value: n.value()}
}

func (n *Network) value() any {
	if n == nil {
		return nil
	}
	v := map[string]any{}
	for name, text := range map[string]string{
		"internalIp": n.Address, "dns": n.DNS, "publicKey": n.PublicKey,
		"endpoint": n.Endpoint, "allowedIps": n.AllowedIPs, "privateKey": string(n.PrivateKey),
	} {
		if text != "" {
			v[name] = text
		}
	}
	return v
}

func (a *Allocation) portLinks() []any {
	var ids []any
	for i := range a.Ports {
		ids = append(ids, string(a.portID(i)))
	}
	return ids
}

// portID names an entity that no broker holds; only rendering sees it.
func (a *Allocation) portID(i int) ngsild.EntityID {
	return ngsild.EntityID(fmt.Sprintf("%s:NetworkPort:%d", a.Component, i))
}

// WithProtocols is a with the protocols of the known NetworkPort entities: that of
// the entity of the same number goes before what was said or known before.
func (a *Allocation) WithProtocols(known []ngsild.Entity) Allocation {
	out := *a
	out.Ports = nil
	for _, p := range a.Ports {
		for k := range known {
			if n, ok := portNumber(&known[k]); ok && n == p.Number {
				if text, ok := firstText(&known[k], "portProtocol", "protocol"); ok {
					p.Protocol = strings.ToUpper(text)
				}
			}
		}
		out.Ports = append(out.Ports, p)
	}
	return out
}

// PortEntities are the NetworkPort entities that Entity links to. A protocol
// that is not known is TCP.
func (a *Allocation) PortEntities() []ngsild.Entity {
	var out []ngsild.Entity
	for i, p := range a.Ports {
		out = append(out, ngsild.Entity{ID: a.portID(i), Type: "NetworkPort", Attrs: map[string]ngsild.Attribute{
			"portNumber":   {Kind: ngsild.Property, Value: int64(p.Number)},
			"portProtocol": {Kind: ngsild.Property, Value: cmp.Or(p.Protocol, "TCP")},
		}})
	}
	return out
}

func firstText(e *ngsild.Entity, names ...string) (string, bool) {
	for _, name := range names {
		if text, ok := e.Text(name); ok && text != "" {
			return text, true
		}
	}
	return "", false
}

func portNumber(e *ngsild.Entity) (int32, bool) {
	for _, name := range []string{"portNumber", "number"} {
		switch n := e.Attrs[name].Value.(type) {
		case int64:
			return int32(n), n > 0 && n <= maxPort
		case float64:
			return int32(n), n > 0 && n <= maxPort
		case string:
			var number int32
			if _, err := fmt.Sscan(n, &number); err == nil {
				return number, true
			}
		}
	}
	return 0, false
}

const maxPort = 65535

// FromEntity reads an allocation out of a component entity and its ports: what
// would have to be asked for to get the same.
func FromEntity(c *ngsild.Entity, service ngsild.EntityID, ports []ngsild.Entity) Allocation {
	a := Allocation{Component: c.ID, Service: service,
		EnvVars: pairsOf(c.List(attrEnvVars)), CLIArgs: pairsOf(c.List(attrCLIArgs)),
		ExposePorts: flagOf(c, attrExpose), IsJob: flagOf(c, attrJob), IsPrivate: flagOf(c, attrPrivate)}
	a.Image, _ = c.Text(attrImage)
	if elements := c.Links(attrElement); len(elements) > 0 {
		a.Element = elements[0]
	}
	a.Username, _ = c.Text(attrUsername)
	password, _ := c.Text(attrPassword)
	a.Password = ngsild.Secret(password)
	for i := range ports {
		if n, ok := portNumber(&ports[i]); ok {
			protocol, _ := firstText(&ports[i], "portProtocol", "protocol")
			a.Ports = append(a.Ports, Port{Number: n, Protocol: strings.ToUpper(protocol)})
		}
	}
	return a
}

func flagOf(e *ngsild.Entity, name string) *bool {
	if b, ok := e.Bool(name); ok {
		return &b
	}
	return nil
}

func pairsOf(list []any) []Pair {
	var out []Pair
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		key, _ := m["key"].(string)
		if key == "" {
			continue
		}
		p := Pair{Key: key}
		if m["value"] != nil {
			p.Value = fmt.Sprint(m["value"])
		}
		out = append(out, p)
	}
	return out
}
