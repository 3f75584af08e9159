package mapping_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

const (
	componentID = "urn:ngsi-ld:Service:s1:Component:c1"
	elementID   = "urn:ngsi-ld:InfrastructureElement:D:e1"
	lloID       = "urn:ngsi-ld:LowLevelOrchestrator:D:Kubernetes"
	portID      = "urn:ngsi-ld:NetworkPort:p1"
)

// attrs of an entity in the simplified form.
type attrs map[string]any

func entity(id, kind string, values attrs) ngsild.Entity {
	e := ngsild.Entity{ID: ngsild.EntityID(id), Type: kind, Attrs: map[string]ngsild.Attribute{}}
	for name, value := range values {
		e.Attrs[name] = ngsild.Attribute{Value: value}
	}
	return e
}

// world is a placed component with one port, and all that it links to; change may edit it.
func world(change func(c, element, llo, port attrs)) mapping.Input {
	c := attrs{"infrastructureElement": elementID, "containerImage": "nginx:1", "networkPorts": portID}
	element := attrs{"hostname": "h1", "containerTechnology": "Kubernetes", "lowLevelOrchestrator": lloID}
	llo := attrs{"orchestrationType": "urn:ngsi-ld:OrchestrationType:Kubernetes"}
	port := attrs{"portNumber": int64(80), "portProtocol": "tcp"}
	if change != nil {
		change(c, element, llo, port)
	}
	e, l := entity(elementID, "InfrastructureElement", element), entity(lloID, "LowLevelOrchestrator", llo)
	return mapping.Input{
		Component: entity(componentID, "ServiceComponent", c), Element: &e, Orchestrator: &l,
		Ports: []ngsild.Entity{entity(portID, "NetworkPort", port)},
	}
}

func render(t *testing.T, in mapping.Input) mapping.Rendered {
	t.Helper()
	r, err := shared(t).Render(in, "default")
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	return r
}

func spec(t *testing.T, in mapping.Input) map[string]any {
	t.Helper()
	s, _ := render(t, in).Objects[0].Object["spec"].(map[string]any)
	return s
}

func TestKindFollowsTechnology(t *testing.T) {
	t.Parallel()
	const urn = "urn:ngsi-ld:OrchestrationType:"
	for _, c := range []struct {
		technology, orchestration any
		mapping, kind             string
	}{
		{"Kubernetes", nil, "aeros-k8s", "ServiceComponentK8s"},
		{"kubernetes", nil, "aeros-k8s", "ServiceComponentK8s"},
		{"K8s", "Docker", "aeros-k8s", "ServiceComponentK8s"},
		{"Docker", nil, "aeros-docker", "ServiceComponentDocker"},
		{"urn:ngsi-ld:ContainerTechnology:DOCKER", nil, "aeros-docker", "ServiceComponentDocker"},
		{"containerd", nil, "aeros-containerd", "ServiceComponentContainerd"},
		{nil, urn + "Kubernetes", "aeros-k8s", "ServiceComponentK8s"},
		{nil, "Docker", "aeros-docker", "ServiceComponentDocker"},
		{"", urn + "Containerd", "aeros-containerd", "ServiceComponentContainerd"},
	} {
		r := render(t, world(func(_, element, llo, _ attrs) {
			element["containerTechnology"], llo["orchestrationType"] = c.technology, c.orchestration
		}))
		if r.Mapping != c.mapping || r.Objects[0].GetKind() != c.kind {
			t.Errorf("%v, %v: got %s %s, want %s %s", c.technology, c.orchestration,
				r.Mapping, r.Objects[0].GetKind(), c.mapping, c.kind)
		}
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	gv := schema.GroupVersion{Group: "llo.aeros-project.eu", Version: "v1alpha1"}
	want := []schema.GroupVersionKind{
		gv.WithKind("ServiceComponentContainerd"), gv.WithKind("ServiceComponentDocker"), gv.WithKind("ServiceComponentK8s"),
	}
	if diff := cmp.Diff(want, shared(t).Kinds()); diff != "" {
		t.Error(diff)
	}
}

// TestRefused has every way in which rendering fails, with its exact message.
func TestRefused(t *testing.T) {
	t.Parallel()
	type change = func(c, element, llo, port attrs)
	port := func(name string, value any) change {
		return func(_, _, _, p attrs) { p[name] = value }
	}
	component := func(name string, value any) change {
		return func(c, _, _, _ attrs) { c[name] = value }
	}
	for _, c := range []struct {
		name   string
		change change
		want   mapping.Error
	}{
		{"unplaced", component("infrastructureElement", nil), mapping.Error{
			componentID, "infrastructureElement", "Unplaced", "the component is not placed on an element", mapping.ErrPending}},
		{"placement removed", component("infrastructureElement", "urn:ngsi-ld:null"), mapping.Error{
			componentID, "infrastructureElement", "Unplaced", "the component is not placed on an element", mapping.ErrPending}},
		{"port entity missing", component("networkPorts", []any{portID, "urn:ngsi-ld:NetworkPort:p2"}), mapping.Error{
			"urn:ngsi-ld:NetworkPort:p2", "networkPorts", "PortMissing",
			"network port urn:ngsi-ld:NetworkPort:p2 is not there", mapping.ErrPending}},
		{"unknown technology", func(_, e, _, _ attrs) { e["containerTechnology"] = "Podman" }, mapping.Error{
			elementID, "containerTechnology", "UnknownTechnology",
			`no mapping for technology "Podman" of ` + elementID, mapping.ErrPending}},
		{"unknown orchestration", func(_, e, l, _ attrs) {
			e["containerTechnology"], l["orchestrationType"] = nil, "urn:ngsi-ld:OrchestrationType:Openstack"
		}, mapping.Error{
			lloID, "containerTechnology", "UnknownTechnology",
			`no mapping for technology "Openstack" of ` + lloID, mapping.ErrPending}},
		{"no technology", func(_, e, l, _ attrs) {
			e["containerTechnology"], l["orchestrationType"] = nil, nil
		}, mapping.Error{
			lloID, "containerTechnology", "UnknownTechnology",
			"element " + elementID + " has no container technology", mapping.ErrPending}},
		{"no image", component("containerImage", nil), mapping.Error{
			componentID, "containerImage", "NoImage", "the component has no container image", mapping.ErrInvalid}},
		{"blank image", component("containerImage", " "), mapping.Error{
			componentID, "containerImage", "NoImage", "the component has no container image", mapping.ErrInvalid}},
		{"image of the wrong type", component("containerImage", []any{"a", "b"}), mapping.Error{
			componentID, "containerImage", "InvalidValue", "containerImage is a list, not a text", mapping.ErrInvalid}},
		{"port too high", port("portNumber", int64(70000)), mapping.Error{
			portID, "portNumber", "InvalidPort", "portNumber 70000 of " + portID + " is not between 1 and 65535", mapping.ErrInvalid}},
		{"port zero", port("portNumber", int64(0)), mapping.Error{
			portID, "portNumber", "InvalidPort", "portNumber 0 of " + portID + " is not between 1 and 65535", mapping.ErrInvalid}},
		{"port text too high", port("portNumber", "70000"), mapping.Error{
			portID, "portNumber", "InvalidPort", `portNumber "70000" of ` + portID + " is not between 1 and 65535", mapping.ErrInvalid}},
		{"port beyond int64", port("portNumber", "99999999999999999999"), mapping.Error{
			portID, "portNumber", "InvalidPort", `portNumber "99999999999999999999" of ` + portID + " is not a whole number", mapping.ErrInvalid}},
		{"port a word", port("portNumber", "http"), mapping.Error{
			portID, "portNumber", "InvalidPort", `portNumber "http" of ` + portID + " is not a whole number", mapping.ErrInvalid}},
		{"port a fraction", port("portNumber", 80.5), mapping.Error{
			portID, "portNumber", "InvalidPort", "portNumber 80.5 of " + portID + " is not a whole number", mapping.ErrInvalid}},
		{"port a list", port("portNumber", []any{int64(1), int64(2)}), mapping.Error{
			portID, "portNumber", "InvalidPort", "portNumber a list of " + portID + " is not a whole number", mapping.ErrInvalid}},
		{"port without number", port("portNumber", nil), mapping.Error{
			portID, "portNumber", "InvalidPort", "portNumber of " + portID + " is not there", mapping.ErrInvalid}},
		{"boolean that is none", component("isJob", "yes"), mapping.Error{
			componentID, "isJob", "InvalidValue", "isJob is a text that is neither true nor false", mapping.ErrInvalid}},
		{"boolean as number", component("exposePorts", int64(1)), mapping.Error{
			componentID, "exposePorts", "InvalidValue", "exposePorts is a number that is neither true nor false", mapping.ErrInvalid}},
		{"isPrivate", component("isPrivate", []any{}), mapping.Error{
			componentID, "isPrivate", "InvalidValue", "isPrivate is a list that is neither true nor false", mapping.ErrInvalid}},
		{"variables as text", component("envVars", "TOKEN=s3cret"), mapping.Error{
			componentID, "envVars", "InvalidValue", "envVars is a text, not a list of keys and values", mapping.ErrInvalid}},
		{"variable as text", component("envVars", []any{attrs1("A", "1"), "TOKEN=s3cret"}), mapping.Error{
			componentID, "envVars[1]", "InvalidValue", "envVars[1] is a text, not an object with key and value", mapping.ErrInvalid}},
		{"variable without key", component("envVars", []any{map[string]any{"value": "s3cret"}}), mapping.Error{
			componentID, "envVars[0]", "InvalidValue", "envVars[0] has no key", mapping.ErrInvalid}},
		{"argument without key", component("cliArgs", []any{attrs1("", "s3cret")}), mapping.Error{
			componentID, "cliArgs[0]", "InvalidValue", "cliArgs[0] has no key", mapping.ErrInvalid}},
		{"nested value", component("envVars", attrs1("A", map[string]any{"s3cret": true})), mapping.Error{
			componentID, "envVars[0]", "InvalidValue", "envVars[0].value is an object, not a text", mapping.ErrInvalid}},
		{"map with nested value", component("cliArgs", map[string]any{"--a": "1", "--b": []any{"s3cret"}}), mapping.Error{
			componentID, "cliArgs[1]", "InvalidValue", "cliArgs[1].value is a list, not a text", mapping.ErrInvalid}},
		{"credential of the wrong type", func(c, _, _, _ attrs) {
			c["isPrivate"], c["repoUsername"], c["repoPassword"] = true, "u", []any{"s3cret", "more"}
		}, mapping.Error{
			componentID, "repoPassword", "InvalidValue", "repoPassword is a list, not a text", mapping.ErrInvalid}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := shared(t).Render(world(c.change), "default")
			var got *mapping.Error
			if !errors.As(err, &got) {
				t.Fatalf("got %+v, %v, want %v", r, err, c.want)
			}
			if *got != c.want {
				t.Errorf("got  %+v\nwant %+v", *got, c.want)
			}
			if !errors.Is(err, c.want.Err) {
				t.Errorf("%v is not %v", err, c.want.Err)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, got), "s3cret") {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

func attrs1(key string, value any) map[string]any { return map[string]any{"key": key, "value": value} }

func TestMissingEntities(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*mapping.Input)
		want   mapping.Error
	}{
		{"element", func(in *mapping.Input) { in.Element, in.Orchestrator = nil, nil }, mapping.Error{
			elementID, "infrastructureElement", "ElementMissing", "element " + elementID + " is not there", mapping.ErrPending}},
		{"element deleted", func(in *mapping.Input) { in.Element.Deleted = true }, mapping.Error{
			elementID, "infrastructureElement", "ElementMissing", "element " + elementID + " is not there", mapping.ErrPending}},
		{"orchestrator", func(in *mapping.Input) { in.Orchestrator = nil }, mapping.Error{
			lloID, "lowLevelOrchestrator", "OrchestratorMissing", "orchestrator " + lloID + " is not there", mapping.ErrPending}},
		{"port", func(in *mapping.Input) { in.Ports = nil }, mapping.Error{
			portID, "networkPorts", "PortMissing", "network port " + portID + " is not there", mapping.ErrPending}},
		{"port deleted", func(in *mapping.Input) { in.Ports[0].Deleted = true }, mapping.Error{
			portID, "networkPorts", "PortMissing", "network port " + portID + " is not there", mapping.ErrPending}},
	} {
		in := world(nil)
		c.change(&in)
		_, err := shared(t).Render(in, "default")
		var got *mapping.Error
		if !errors.As(err, &got) || *got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, err, c.want)
		}
	}
}

// TestSpec has the rules for single fields that the golden cases do not show.
func TestSpec(t *testing.T) {
	t.Parallel()
	kv := func(pairs ...string) []any {
		var list []any
		for _, p := range pairs {
			item := map[string]any{}
			key, value, _ := strings.Cut(p, "=")
			if item["key"] = key; value != "" {
				item["value"] = value
			}
			list = append(list, item)
		}
		return list
	}
	for _, c := range []struct {
		name   string
		change func(c, element, llo, port attrs)
		field  string
		want   any
	}{
		{"absent boolean", nil, "isJob", nil},
		{"boolean as text", func(c, _, _, _ attrs) { c["isJob"] = "True" }, "isJob", true},
		{"blank boolean", func(c, _, _, _ attrs) { c["exposePorts"] = "" }, "exposePorts", nil},
		{"number as text", func(_, _, _, p attrs) { p["portNumber"] = " 8080 " }, "ports",
			[]any{map[string]any{"number": int64(8080), "protocol": "TCP"}}},
		{"whole fraction", func(_, _, _, p attrs) { p["portNumber"] = 8080.0 }, "ports",
			[]any{map[string]any{"number": int64(8080), "protocol": "TCP"}}},
		{"other dialect", func(_, _, _, p attrs) {
			clear(p)
			p["number"], p["protocol"] = int64(53), "UDP"
		}, "ports", []any{map[string]any{"number": int64(53), "protocol": "UDP"}}},
		{"no protocol", func(_, _, _, p attrs) { delete(p, "portProtocol") }, "ports",
			[]any{map[string]any{"number": int64(80)}}},
		{"same port twice", func(c, _, _, _ attrs) { c["networkPorts"] = []any{portID, portID} }, "ports",
			[]any{map[string]any{"number": int64(80), "protocol": "TCP"}}},
		{"lists of one", func(c, _, _, p attrs) {
			c["containerImage"], p["portNumber"] = []any{"nginx:1"}, []any{"81"}
		}, "ports", []any{map[string]any{"number": int64(81), "protocol": "TCP"}}},
		{"no ports", func(c, _, _, _ attrs) { delete(c, "networkPorts") }, "ports", nil},
		{"values to text", func(c, _, _, _ attrs) {
			c["envVars"] = []any{attrs1("I", int64(25)), attrs1("F", 0.5), attrs1("B", true), attrs1("N", nil), attrs1("E", "")}
		}, "envVars", kv("I=25", "F=0.5", "B=true", "N", "E")},
		{"list of one", func(c, _, _, _ attrs) { c["cliArgs"] = attrs1("-v", "") }, "cliArgs", kv("-v")},
		{"key alone", func(c, _, _, _ attrs) { c["cliArgs"] = map[string]any{"key": "-v"} }, "cliArgs", kv("-v")},
		{"map", func(c, _, _, _ attrs) { c["envVars"] = map[string]any{"B": "2", "A": int64(1), "C": ""} }, "envVars", kv("A=1", "B=2", "C")},
		{"map with a variable named key", func(c, _, _, _ attrs) {
			c["envVars"] = map[string]any{"key": "x", "other": "y"}
		}, "envVars", kv("key=x", "other=y")},
		{"order and repetition are kept", func(c, _, _, _ attrs) {
			c["cliArgs"] = []any{attrs1("-z", "1"), attrs1("-a", "2"), attrs1("-z", "3")}
		}, "cliArgs", kv("-z=1", "-a=2", "-z=3")},
		{"empty list", func(c, _, _, _ attrs) { c["envVars"] = []any{} }, "envVars", nil},
		{"no host name", func(_, e, _, _ attrs) { delete(e, "hostname") }, "selectedIE", map[string]any{"id": elementID}},
		{"public image keeps no credentials", func(c, _, _, _ attrs) {
			c["isPrivate"], c["repoUsername"], c["repoPassword"] = false, "u", "p"
		}, "imageRegistry", nil},
		{"private", func(c, _, _, _ attrs) {
			c["isPrivate"], c["repoUsername"], c["repoPassword"] = "true", "u", "p"
		}, "imageRegistry", map[string]any{"username": "u", "password": "p"}},
		{"never privileged", func(c, e, _, _ attrs) {
			c["privileged"], e["hostname"] = true, "raspi-1"
		}, "privileged", nil},
		{"text that looks like a template", func(c, _, _, _ attrs) {
			c["containerImage"] = "${component.repoPassword}\nprivileged: true"
		}, "image", "${component.repoPassword}\nprivileged: true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, spec(t, world(c.change))[c.field]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.field, diff)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		protocol, want, warning string
	}{
		{"tcp", "TCP", ""},
		{"SCTP", "SCTP", ""},
		{"http/udp", "UDP", `portProtocol "http/udp" of ` + portID + " is unknown, UDP is taken"},
		{"a/b/ tcp ", "TCP", `portProtocol "a/b/ tcp " of ` + portID + " is unknown, TCP is taken"},
		{"quic", "TCP", `portProtocol "quic" of ` + portID + " is unknown, TCP is taken"},
		{"http/quic", "TCP", `portProtocol "http/quic" of ` + portID + " is unknown, TCP is taken"},
	} {
		r := render(t, world(func(_, _, _, p attrs) { p["portProtocol"] = c.protocol }))
		var want []string
		if c.warning != "" {
			want = []string{c.warning}
		}
		if diff := cmp.Diff(want, r.Warnings); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.protocol, diff)
		}
		ports := r.Objects[0].Object["spec"].(map[string]any)["ports"].([]any)
		if got := ports[0].(map[string]any)["protocol"]; got != c.want {
			t.Errorf("%s: got %v, want %s", c.protocol, got, c.want)
		}
	}
	r := render(t, world(func(c, _, _, _ attrs) { c["isPrivate"] = true }))
	if want := []string{"the image is private, but the component has no credentials"}; !slices.Equal(want, r.Warnings) {
		t.Errorf("got %q, want %q", r.Warnings, want)
	}
}

func TestNamesAndLabels(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ id, name, label string }{
		{"urn:ngsi-ld:Service:s:Component:a_b", "aeros-service-s-component-a-b", "Service_s_Component_a_b"},
		{"Service:s:Component:a", "aeros-service-s-component-a", "Service_s_Component_a"},
		{"urn:ngsi-ld:Service:s:Component:a__b--c", "aeros-service-s-component-a-b-c", "Service_s_Component_a__b--c"},
		{"urn:ngsi-ld:Service:s.1", "aeros-service-s.1", "Service_s.1"},
		{"urn:ngsi-ld:Service:caméra", "aeros-service-cam-ra-3b886a71", "Service_cam-ra"},
		{"urn:ngsi-ld:Service:a b", "aeros-service-a-b-7fb02902", "Service_a-b"},
		{"urn:ngsi-ld:Service:a..b", "aeros-service-a-b-bfad73b3", "Service_a..b"},
		{"urn:ngsi-ld:Service:a:.b", "aeros-service-a-b-1f3c599e", "Service_a_.b"},
		{"urn:ngsi-ld:日本", "aeros-2907ded9", ""},
		{"urn:ngsi-ld:" + long, "aeros-" + long[:238] + "-0ba88b23", long[:54] + "-0ba88b23"},
	} {
		in := world(nil)
		in.Component.ID = ngsild.EntityID(c.id)
		o := render(t, in).Objects[0]
		if o.GetName() != c.name {
			t.Errorf("name of %q: got %q, want %q", c.id, o.GetName(), c.name)
		}
		if got := o.GetLabels()["app.kubernetes.io/name"]; got != c.label {
			t.Errorf("label of %q: got %q, want %q", c.id, got, c.label)
		}
		checkLegal(t, o.GetName(), o.GetLabels())
	}
}

func checkLegal(t testing.TB, name string, labels map[string]string) {
	t.Helper()
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		t.Errorf("name %q: %v", name, problems)
	}
	for key, value := range labels {
		if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
			t.Errorf("label %s %q: %v", key, value, problems)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, seed := range []string{"urn:ngsi-ld:Service:s", "..", "a.-b", "日", strings.Repeat(":", 400), "\xff\xfe", "K"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if id == "" {
			return // no entity is without
		}
		in := world(nil)
		in.Component.ID = ngsild.EntityID(id)
		r, err := shared(t).Render(in, "default")
		if err != nil {
			t.Fatal(err)
		}
		o := r.Objects[0]
		checkLegal(t, o.GetName(), o.GetLabels())
	})
}

func TestHash(t *testing.T) {
	t.Parallel()
	first := render(t, world(nil))
	if len(first.Hash) != 32 {
		t.Errorf("hash %q is not 32 digits", first.Hash)
	}
	for range 20 {
		again := render(t, world(nil))
		if diff := cmp.Diff(first, again); diff != "" {
			t.Fatalf("not deterministic:\n%s", diff)
		}
	}
	changed := render(t, world(func(_, e, _, _ attrs) { e["hostname"] = "h2" }))
	if changed.Hash == first.Hash {
		t.Error("another host name has the same hash")
	}
	load := render(t, world(func(_, e, _, _ attrs) { e["currentCpuUsage"] = int64(97) }))
	if load.Hash != first.Hash {
		t.Error("load of the element changes the hash")
	}
}

func TestRenderKeepsItsInput(t *testing.T) {
	t.Parallel()
	change := func(c, _, _, _ attrs) {
		c["envVars"], c["cliArgs"] = []any{attrs1("A", int64(1))}, map[string]any{"b": "1", "a": "2"}
	}
	in, want := world(change), world(change)
	r := render(t, in)
	for _, o := range r.Objects {
		o.SetName("changed")
		o.Object["spec"].(map[string]any)["envVars"].([]any)[0].(map[string]any)["key"] = "changed"
	}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Errorf("input was changed:\n%s", diff)
	}
	if _, err := json.Marshal(r.Objects); err != nil {
		t.Errorf("objects are not JSON: %v", err)
	}
	r.Objects[0].DeepCopy() // panics on values that are not JSON
}

func TestServiceFromID(t *testing.T) {
	t.Parallel()
	o := render(t, world(nil)).Objects[0]
	if got := o.GetLabels()["app.kubernetes.io/part-of"]; got != "Service_s1" {
		t.Errorf("part-of: got %q", got)
	}
	if got := o.GetAnnotations()["hlo-agent.github.io/service"]; got != "urn:ngsi-ld:Service:s1" {
		t.Errorf("service: got %q", got)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	c := entity(componentID, "ServiceComponent", attrs{
		"infrastructureElement": elementID, "service": "urn:ngsi-ld:Service:s1",
		"networkPorts": []any{portID, "urn:ngsi-ld:NetworkPort:p2", portID}, "serviceComponentStatus": "Starting",
	})
	want := []ngsild.EntityID{elementID, "urn:ngsi-ld:Service:s1", portID, "urn:ngsi-ld:NetworkPort:p2"}
	if diff := cmp.Diff(want, mapping.Links(&c)); diff != "" {
		t.Error(diff)
	}
	if got := mapping.Links(&ngsild.Entity{}); len(got) != 0 {
		t.Errorf("links of nothing: %v", got)
	}
}
