package wire_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/hlo-agent/hlo-agent/allocation/wire"
)

// field is a row of the tables in testdata/fields.json.
type field struct {
	Name   string `json:"name"`
	Number int    `json:"number"`
	Type   string `json:"type"`
}

func tables(t *testing.T) map[string]map[string][]field {
	t.Helper()
	text, err := os.ReadFile("testdata/fields.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string][]field
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// messages compiles the .proto files of a folder.
func messages(t *testing.T, dir string) map[string]protoreflect.MessageDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{ImportPaths: []string{dir}}}
	files, err := compiler.Compile(t.Context(), "hlo.proto", "deployment_engine.proto")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]protoreflect.MessageDescriptor{}
	for _, f := range files {
		if f.Package() != "" || f.Syntax() != protoreflect.Proto3 {
			t.Errorf("%s/%s: package %q in %v, want none in proto3", dir, f.Path(), f.Package(), f.Syntax())
		}
		for i := range f.Messages().Len() {
			m := f.Messages().Get(i)
			found[string(m.Name())] = m
		}
	}
	return found
}

func generated() map[string]protoreflect.MessageDescriptor {
	found := map[string]protoreflect.MessageDescriptor{}
	for _, f := range []protoreflect.FileDescriptor{wire.File_hlo_proto, wire.File_deployment_engine_proto} {
		for i := range f.Messages().Len() {
			m := f.Messages().Get(i)
			found[string(m.Name())] = m
		}
	}
	return found
}

func TestFieldsAreThoseOfTheTables(t *testing.T) {
	t.Parallel()
	all := tables(t)
	for name, c := range map[string]struct {
		messages map[string]protoreflect.MessageDescriptor
		table    map[string][]field
	}{
		"seed":  {messages(t, "seed"), all["seed"]},
		"newer": {messages(t, "."), all["newer"]},
		"code":  {generated(), all["newer"]},
	} {
		got := map[string][]field{}
		for name, m := range c.messages {
			for i := range m.Fields().Len() {
				f := m.Fields().Get(i)
				got[name] = append(got[name], field{string(f.Name()), int(f.Number()), typeOf(f)})
			}
		}
		if diff := cmp.Diff(c.table, got); diff != "" {
			t.Errorf("%s (-table +got):\n%s", name, diff)
		}
	}
}

func typeOf(f protoreflect.FieldDescriptor) string {
	name := f.Kind().String()
	if f.Message() != nil {
		name = string(f.Message().Name())
	}
	switch {
	case f.IsMap():
		return fmt.Sprintf("map<%v,%v>", f.MapKey().Kind(), f.MapValue().Kind())
	case f.IsList():
		return "repeated " + name
	case f.HasOptionalKeyword():
		return "optional " + name
	}
	return name
}

// Either version reads what the other wrote: what both know is the same, what
// only the newer knows passes through the older unharmed.
func TestEitherVersionReadsTheOther(t *testing.T) {
	t.Parallel()
	older, newer := messages(t, "seed"), messages(t, ".")
	for _, name := range slices.Sorted(maps.Keys(older)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inNewer, inOlder := dynamicpb.NewMessage(newer[name]), dynamicpb.NewMessage(older[name])
			fill(inNewer, 3)
			fill(inOlder, 3)

			fromOlder := dynamicpb.NewMessage(newer[name])
			transfer(t, inOlder, fromOlder)
			if len(fromOlder.GetUnknown()) > 0 {
				t.Errorf("the newer version does not know %x of the older", fromOlder.GetUnknown())
			}
			if diff := cmp.Diff(text(inOlder), text(fromOlder)); diff != "" {
				t.Errorf("older read by newer (-older +newer):\n%s", diff)
			}

			fromNewer := dynamicpb.NewMessage(older[name])
			transfer(t, inNewer, fromNewer)
			back := dynamicpb.NewMessage(newer[name])
			transfer(t, fromNewer, back)
			if !proto.Equal(inNewer, back) {
				t.Errorf("lost on the way through the older version:\n%s", cmp.Diff(text(inNewer), text(back)))
			}
			if diff := cmp.Diff(text(inOlder), text(known(fromNewer))); diff != "" {
				t.Errorf("newer read by older (-what both know +older):\n%s", diff)
			}
		})
	}
}

// The generated code reads both.
func TestGeneratedCodeReadsEither(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"seed", "."} {
		written := dynamicpb.NewMessage(messages(t, dir)["HLODeploymentEngineInput"])
		fill(written, 6)
		read := &wire.HLODeploymentEngineInput{}
		transfer(t, written, read)
		c := read.GetServiceComponentAllocations()[1].GetNewAllocatedServiceComponent()
		got := []any{c.GetId(), c.GetService().GetId(), c.GetInfrastructureElement().GetDomain().GetId(), c.GetPorts()[0].GetNumber(),
			c.GetServiceComponentConstraints().GetConstraints()["k1"], read.ServiceComponentAllocations[0].OldAllocatedInfrastructureElement.GetId()}
		want := []any{"text 1", "text 1", "text 1", int32(1), float32(5.5), "text 1"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", dir, diff)
		}
		wantArgs := 0
		if dir == "." {
			wantArgs = 2
		}
		if n := len(c.GetCliArgs()); n != wantArgs {
			t.Errorf("%s: %d arguments, want %d", dir, n, wantArgs)
		}
	}
}

func transfer(t *testing.T, from, to proto.Message) {
	t.Helper()
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(body, to); err != nil {
		t.Fatal(err)
	}
}

// known takes away what a message does not know, at every depth.
func known(m protoreflect.Message) proto.Message {
	m.SetUnknown(nil)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				known(v.List().Get(i).Message())
			}
		default:
			known(v.Message())
		}
		return true
	})
	return m.Interface()
}

func text(m proto.Message) string { return prototext.MarshalOptions{Multiline: true}.Format(m) }

// fill sets every field to something that tells where it is: by its number.
func fill(m protoreflect.Message, depth int) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		switch {
		case f.IsMap():
			entry := m.Mutable(f).Map()
			for k := range 2 {
				entry.Set(protoreflect.ValueOfString(fmt.Sprint("k", k)).MapKey(), protoreflect.ValueOfFloat32(float32(k)+4.5))
			}
		case f.IsList():
			list := m.Mutable(f).List()
			for n := 0; n < 2 && depth > 0; n++ {
				fill(list.AppendMutable().Message(), depth-1)
			}
		case f.Message() != nil:
			if depth > 0 {
				fill(m.Mutable(f).Message(), depth-1)
			}
		default:
			m.Set(f, scalar(f))
		}
	}
}

func scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(fmt.Sprint("text ", f.Number()))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(f.Number()) + 0.25)
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	default:
		return protoreflect.ValueOfInt32(int32(f.Number()))
	}
}
