package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hlo-agent/hlo-agent/mapping"
)

func BenchmarkRender(b *testing.B) {
	in := inputOf(decode(b, "testdata/aeros-vision-camera-gw/entity.jsonld"))
	run := func(b *testing.B, set *mapping.Set) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := set.Render(in, "default"); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("aeros", func(b *testing.B) { run(b, shared(b)) })
	for _, condition := range []string{
		`element.hostname == "h%d"`, `technology in ["t%d"]`, `has(component.asks%d) && 1 < 2`,
	} {
		name := strings.Fields(condition)[0]
		b.Run("and100/"+name, func(b *testing.B) { run(b, load(b, crowded(b, condition)...)) })
	}
}

func BenchmarkObserve(b *testing.B) {
	o := aerosObject(b, "conditions: [{type: Ready, status: 'True', reason: AllUp, message: one of one}]")
	set := shared(b)
	b.ReportAllocs()
	for b.Loop() {
		set.Observe(o)
	}
}

func BenchmarkLoad(b *testing.B) {
	sources, err := mapping.Shipped("aeros-k8s")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		load(b, sources...)
	}
}

// crowded is the default set with 100 mappings whose condition never holds. %d in it is a number.
func crowded(tb testing.TB, condition string) []mapping.Source {
	tb.Helper()
	sources, err := mapping.Shipped("aeros-k8s", "aeros-docker", "aeros-containerd")
	if err != nil {
		tb.Fatal(err)
	}
	like := string(sources[0].Data)
	for i := range 100 {
		text := strings.Replace(like, "name: aeros-containerd", fmt.Sprintf("name: other-%d", i), 1)
		text = strings.Replace(text, `technology == "containerd"`, fmt.Sprintf(condition, i), 1)
		sources = append(sources, mapping.Source{Name: fmt.Sprint(i), Data: []byte(text)})
	}
	return sources
}
