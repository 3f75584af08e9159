package ngsild

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// compact returns a JSON file without white space, as brokers send it.
func compact(t testing.TB, parts ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func BenchmarkDecodeNotification(b *testing.B) {
	body := compact(b, "notifications", "sc-starting.normalized.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeNotification(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeWorld(b *testing.B) {
	body := compact(b, "world", "world.normalized.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if entities, errs := DecodeEntities(body); len(errs) > 0 || len(entities) < 20 {
			b.Fatal(errs)
		}
	}
}

// BenchmarkRetained measures what one decoded component keeps in memory, of
// which the agent holds up to 50,000.
func BenchmarkRetained(b *testing.B) {
	var bytes float64
	for b.Loop() {
		bytes = retainedPerComponent(b, 500)
	}
	b.ReportMetric(bytes, "B/component")
}

// TestRetained is not parallel, since it measures the whole heap.
func TestRetained(t *testing.T) {
	if got := retainedPerComponent(t, 2000); got > 4096 {
		t.Errorf("a decoded component keeps %.0f bytes, want 4096 at most", got)
	}
}

func retainedPerComponent(t testing.TB, n int) float64 {
	t.Helper()
	body := compact(t, "notifications", "sc-starting.normalized.json")
	kept := make([]Notification, 0, n)
	before := heapInUse()
	for range n {
		notification, err := DecodeNotification(body)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, notification)
	}
	after := heapInUse()
	runtime.KeepAlive(kept)
	return float64(after-before) / float64(n)
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// TestWords checks the table of shared words, in which one of a wrong length
// would shift all behind it.
func TestWords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for length := range 80 {
		words := wordsOf(length)
		if words == "" {
			continue
		}
		if len(words)%length != 0 {
			t.Errorf("words of length %d: %q is not a multiple of it", length, words)
			continue
		}
		for ; words != ""; words = words[length:] {
			word := words[:length]
			if seen[word] || strings.ContainsAny(word, " \"\\") {
				t.Errorf("word %q is there twice or cannot be a plain name", word)
			}
			seen[word] = true
			if got := wellKnown([]byte(word)); got != word {
				t.Errorf("wellKnown(%q) = %q", word, got)
			}
		}
	}
	for _, word := range []string{"containerImage", "infrastructureElement", "urn:ngsi-ld:ServiceComponentStatus:Running", "key", "Kubernetes"} {
		if !seen[word] {
			t.Errorf("%q is not shared", word)
		}
	}
	for _, text := range []string{"", "x", "containerimage", "no such word at all"} {
		if got := wellKnown([]byte(text)); got != "" {
			t.Errorf("wellKnown(%q) = %q, want none", text, got)
		}
	}
}
