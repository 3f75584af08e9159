package allocation_test

import (
	"testing"

	"github.com/hlo-agent/hlo-agent/allocation"
)

func BenchmarkDecode(b *testing.B) {
	text := body(b, "newer")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := allocation.Decode(text, service); err != nil {
			b.Fatal(err)
		}
	}
}
