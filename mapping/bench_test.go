package mapping_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/mapping"
)

func BenchmarkRender(b *testing.B) {
	in := inputOf(decode(b, "testdata/aeros-vision-camera-gw/entity.jsonld"))
	set := shared(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := set.Render(in, "default"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRenderAnd100 renders with and without 100 further mappings that do not match, in turns of a few, so that
// both sides see the same machine. ratio is that of the medians.
func BenchmarkRenderAnd100(b *testing.B) {
	for name, condition := range map[string]string{
		"compare": `element.hostname == "h%d"`, "list": `technology in ["t%d"]`, "attribute": `has(component.asks%d) && 1 < 2`,
	} {
		b.Run(name, func(b *testing.B) {
			in := inputOf(decode(b, "testdata/aeros-vision-camera-gw/entity.jsonld"))
			sides := []*mapping.Set{shared(b), load(b, crowded(b, condition)...)}
			times := make([][]time.Duration, len(sides))
			const few = 20
			for turn := 0; b.Loop(); turn++ {
				for i := range sides {
					side := (i + turn) % len(sides)
					began := time.Now()
					for range few {
						if _, err := sides[side].Render(in, "default"); err != nil {
							b.Fatal(err)
						}
					}
					times[side] = append(times[side], time.Since(began)/few)
				}
			}
			median := func(times []time.Duration) float64 {
				slices.Sort(times)
				return float64(times[len(times)/2])
			}
			b.ReportMetric(0, "ns/op") // of both sides together: says nothing
			b.ReportMetric(median(times[0]), "ns/render")
			b.ReportMetric(median(times[1])/median(times[0]), "ratio")
		})
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
