package llo_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/hlo-agent/hlo-agent/llo"
)

// A typical object as the watch brings it, managedFields and all, with a spec of
// about 1.5 KB.
func watched1500(i int) string {
	var variables strings.Builder
	for v := range 20 {
		if v > 0 {
			variables.WriteByte(',')
		}
		fmt.Fprintf(&variables, `{"key":"VARIABLE_%d","value":"some value of %d, %d"}`, v, i, v)
	}
	spec := fmt.Sprintf(`{"envVars":[%s],"exposePorts":false,"image":"registry.example.org/a/b:%d","isJob":false,
"ports":[{"number":8080,"protocol":"TCP"}],"selectedIE":{"hostname":"h-%d","id":"urn:ngsi-ld:InfrastructureElement:D:%d"},
"networkOverlay":{"allowedIps":"10.0.0.0/24","dns":"10.0.0.1","endpoint":"example.org:51820","internalIp":"10.0.0.2",
"privateKey":"OyE87QA+ibNaJsIsvQEcm/qylXhBWyBp9/yLAZmLkD0=","publicKey":"1T4Xd+Hr4dkY6irKTHTd2xgoZGc5lWMDBsxgmNlUdWA="}}`,
		variables.String(), i, i, i)
	return fmt.Sprintf(`{"apiVersion":"llo.aeros-project.eu/v1alpha1","kind":"ServiceComponentK8s","metadata":{"annotations":{`+
		`"hlo-agent.github.io/element":"urn:ngsi-ld:InfrastructureElement:D:%d","hlo-agent.github.io/entity":"urn:ngsi-ld:Service:Service_%d:Component_%d",`+
		`"hlo-agent.github.io/input-hash":"0123456789abcdef","hlo-agent.github.io/origin":"broker","hlo-agent.github.io/service":"urn:ngsi-ld:Service:Service_%d"},`+
		`"creationTimestamp":"2026-11-22T00:38:04Z","generation":1,"labels":{"app.kubernetes.io/created-by":"LowLevelOrchestrator_D_Kubernetes",`+
		`"app.kubernetes.io/instance":"Service_%d_Component_%d","app.kubernetes.io/managed-by":"aeros-project.eu","app.kubernetes.io/part-of":"Service_%d",`+
		`"hlo-agent.github.io/owner":"agent-1"},"managedFields":[{"apiVersion":"llo.aeros-project.eu/v1alpha1","fieldsType":"FieldsV1","fieldsV1":`+
		`{"f:metadata":{"f:annotations":{"f:hlo-agent.github.io/element":{},"f:hlo-agent.github.io/entity":{},"f:hlo-agent.github.io/input-hash":{},`+
		`"f:hlo-agent.github.io/origin":{},"f:hlo-agent.github.io/service":{}},"f:labels":{"f:app.kubernetes.io/created-by":{},"f:app.kubernetes.io/instance":{},`+
		`"f:app.kubernetes.io/managed-by":{},"f:app.kubernetes.io/part-of":{},"f:hlo-agent.github.io/owner":{}}},"f:spec":{"f:envVars":{},"f:exposePorts":{},`+
		`"f:image":{},"f:isJob":{},"f:networkOverlay":{"f:allowedIps":{},"f:dns":{},"f:endpoint":{},"f:internalIp":{},"f:privateKey":{},"f:publicKey":{}},`+
		`"f:ports":{},"f:selectedIE":{"f:hostname":{},"f:id":{}}}},"manager":"hlo-agent/agent-1","operation":"Apply","time":"2026-11-22T00:38:04Z"},`+
		`{"apiVersion":"llo.aeros-project.eu/v1alpha1","fieldsType":"FieldsV1","fieldsV1":{"f:status":{"f:observedGeneration":{},"f:phase":{}}},`+
		`"manager":"llo","operation":"Update","subresource":"status","time":"2026-11-22T00:38:05Z"}],`+
		`"name":"aeros-service-%d-component-%d","namespace":"default","resourceVersion":"%d","uid":"ad7d5d93-02e5-44c5-b709-%012d"},`+
		`"spec":%s,"status":{"observedGeneration":1,"phase":"Running"}}`,
		i, i, i, i, i, i, i, i, i, 1000+i, i, strings.ReplaceAll(spec, "\n", ""))
}

// TestMemoryOfOwnObjects bounds what the cache keeps for each object of ours. It does
// not run beside others, since it measures the heap.
func TestMemoryOfOwnObjects(t *testing.T) {
	const count = 4000
	c := newBench(t)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	for i := range count {
		c.Take(t, watched1500(i))
	}
	each := (heap() - before) / count
	t.Logf("%d bytes for each object of %d bytes", each, len(watched1500(0)))
	if each > 5<<10 {
		t.Errorf("%d bytes for each object, want at most 5 KiB", each)
	}
	if got := len(c.All()); got != count {
		t.Errorf("%d objects in the cache, want %d", got, count)
	}
	runtime.KeepAlive(c)
}

func BenchmarkTakeIn(b *testing.B) {
	c := newBench(b)
	text := watched1500(1)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		c.Sight(b, text)
	}
}

func newBench(t testing.TB) *llo.Bench {
	return llo.NewBench(t, k8sKind, "agent-1", "hlo-agent/agent-1")
}

func BenchmarkApplyNone(b *testing.B) {
	for _, settled := range []bool{true, false} {
		b.Run(fmt.Sprintf("settled=%v", settled), func(b *testing.B) {
			c := newBench(b)
			c.Take(b, watched1500(1))
			o := c.All()[0].Object()
			c.Take(b, strings.Replace(strings.Replace(watched1500(1), "0123456789abcdef", c.Hash(b, o), 1), `"1001"`, `"1002"`, 1))
			b.ReportAllocs()
			for b.Loop() {
				if !settled {
					c.Unsettle()
				}
				if got, err := c.Apply(b.Context(), o); err != nil || got.Action != llo.ActionNone {
					b.Fatal(got, err)
				}
			}
		})
	}
}
