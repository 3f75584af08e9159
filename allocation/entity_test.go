package allocation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

func property(v any) ngsild.Attribute { return ngsild.Attribute{Kind: ngsild.Property, Value: v} }
func link(v any) ngsild.Attribute     { return ngsild.Attribute{Kind: ngsild.Relationship, Value: v} }

// TestEntity keeps of the broker's entity what an allocation does not speak of.
func TestEntity(t *testing.T) {
	t.Parallel()
	r, err := allocation.Decode(body(t, "newer"), service)
	if err != nil {
		t.Fatal(err)
	}
	base := ngsild.Entity{ID: camera, Type: "ServiceComponent", Attrs: map[string]ngsild.Attribute{
		"serviceComponentStatus": link("urn:ngsi-ld:ServiceComponentStatus:Starting"),
		"containerImage":         property("an older one"), "repoPassword": property("of the entity"),
		"networkPorts": link([]any{"urn:ngsi-ld:NetworkPort:c3f00e31"}),
	}}
	want := map[string]ngsild.Attribute{
		"serviceComponentStatus": base.Attrs["serviceComponentStatus"],
		"service":                link(string(service)), "infrastructureElement": link(string(element)),
		"containerImage": property("registry.example.org/vision/camera-gw:0.9.0"),
		"envVars":        property([]any{map[string]any{"key": "RTSP_SOURCE", "value": "rtsp://192.168.40.60/stream1"}, map[string]any{"key": "FPS", "value": "25"}}),
		"cliArgs":        property([]any{map[string]any{"key": "--publish", "value": "udp"}, map[string]any{"key": "--metrics-port", "value": "9100"}}),
		"networkPorts":   link([]any{string(camera) + ":NetworkPort:0", string(camera) + ":NetworkPort:1"}),
		"exposePorts":    property(false), "isJob": property(false), "isPrivate": property(false),
		"networkOverlay": property(map[string]any{"internalIp": "10.13.7.2", "dns": "10.13.7.1", "publicKey": r.Network.PublicKey,
			"privateKey": string(r.Network.PrivateKey), "endpoint": "portocloud.example.org:51820", "allowedIps": "10.13.7.0/24"}),
	}
	got := r.Entity(base)
	if diff := cmp.Diff(want, got.Attrs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(base.Attrs) != 4 || got.ID != camera || got.Type != "ServiceComponent" {
		t.Errorf("base changed, or the entity has no name: %v %v %v", base.Attrs, got.ID, got.Type)
	}
}

func TestPortEntities(t *testing.T) {
	t.Parallel()
	a := allocation.Allocation{Component: camera, Ports: []allocation.Port{{Number: 1}, {Number: 2}, {Number: 3}, {Number: 4, Protocol: "SCTP"}}}
	known := []ngsild.Entity{
		{Attrs: map[string]ngsild.Attribute{"portNumber": property(int64(1)), "portProtocol": property("udp")}},
		{Attrs: map[string]ngsild.Attribute{"number": property("2"), "protocol": property("SCTP")}},
		{Attrs: map[string]ngsild.Attribute{"portNumber": property(4.0)}},
		{Attrs: map[string]ngsild.Attribute{"portNumber": property("none")}},
	}
	var got []string
	resolved := a.WithProtocols(known)
	if a.Ports[0].Protocol != "" {
		t.Error("what was asked for has changed")
	}
	for _, p := range resolved.PortEntities() {
		protocol, _ := p.Text("portProtocol")
		got = append(got, string(p.ID)+" "+protocol)
	}
	want := []string{string(camera) + ":NetworkPort:0 UDP", string(camera) + ":NetworkPort:1 SCTP", string(camera) + ":NetworkPort:2 TCP", string(camera) + ":NetworkPort:3 SCTP"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFromEntity goes there and back.
func TestFromEntity(t *testing.T) {
	t.Parallel()
	r, err := allocation.Decode(body(t, "newer"), service)
	if err != nil {
		t.Fatal(err)
	}
	a := r.Allocation
	a.Network, a.IsPrivate, a.Username, a.Password = nil, yes(), "robot", "pw"
	e := a.Entity(ngsild.Entity{})
	back := allocation.FromEntity(&e, service, a.PortEntities())
	if !back.Equal(&a) {
		t.Errorf("back: %+v\nwant: %+v", back, a)
	}
}
