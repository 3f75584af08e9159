package sandbox

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/sandbox/broker"
)

func TestBenchOptionsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := benchOptions{n: 10, rounds: 1, output: "json", only: benchParts}
	for name, c := range map[string]struct {
		change func(*benchOptions)
		want   string
	}{
		"as it should be":    {func(*benchOptions) {}, ""},
		"nothing but memory": {func(o *benchOptions) { o.only, o.memory = []string{""}, 10 }, ""},
		"too few":            {func(o *benchOptions) { o.n = 9 }, "-n 9: must be from 10 to 50000"},
		"too many":           {func(o *benchOptions) { o.n = 50_001 }, "-n 50001: must be from 10 to 50000"},
		"too little memory":  {func(o *benchOptions) { o.memory = 9 }, "--memory 9: must be from 10 to 50000"},
		"no round":           {func(o *benchOptions) { o.rounds = 0 }, "--rounds 0: must be from 1 to 99"},
		"unknown output":     {func(o *benchOptions) { o.output = "yaml" }, "-o yaml: must be table or json"},
		"unknown part":       {func(o *benchOptions) { o.only = []string{"aply"} }, "--only aply: must be one of [apply life restart reaction inventory allocate outages]"},
		"two things": {func(o *benchOptions) { o.n, o.output = 0, "" },
			"-n 0: must be from 10 to 50000\n-o : must be table or json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := good
			c.change(&o)
			got := ""
			if err := o.validate(); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("validate %+v (-want +got):\n%s", o, diff)
			}
		})
	}
}

func TestReportAsJSONIsOneFlatObject(t *testing.T) {
	t.Parallel()
	r := newReport(20, 3)
	r.add("apply_ratio", 1.123456, "1.25", "a note")
	r.add("restart_cluster_writes", 0, "0", "")
	var stdout, stderr bytes.Buffer
	if err := r.print("json", &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("stdout is not JSON: %v\n%s", err, stdout.String())
	}
	want := map[string]any{"n": 20.0, "apply_ratio": 1.1235, "restart_cluster_writes": 0.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stdout (-want +got):\n%s", diff)
	}
	for _, word := range []string{"n=20, medians of 3 rounds", "cores", "go1.", "apply_ratio", "1.25", "a note"} {
		if !strings.Contains(stderr.String(), word) {
			t.Errorf("stderr lacks %q:\n%s", word, stderr.String())
		}
	}
}

func TestMedianAndPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for name, c := range map[string]struct{ want, got time.Duration }{
		"median of none":    {0, median(nil)},
		"median of one":     {7, median([]time.Duration{7})},
		"median of three":   {2, median([]time.Duration{3, 1, 2})},
		"median of four":    {3, median([]time.Duration{9, 4, 2, 1})},
		"p50 of a hundred":  {50, percentile(hundred, 0.5)},
		"p99 of a hundred":  {99, percentile(hundred, 0.99)},
		"all of a hundred":  {100, percentile(hundred, 1)},
		"none of a hundred": {1, percentile(hundred, 0)},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %d, want %d", name, c.got, c.want)
		}
	}
	if hundred[0] != 100 {
		t.Error("percentile has sorted what it was given")
	}
}

func TestCopiesCarryNothingOfTheServer(t *testing.T) {
	t.Parallel()
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "llo.aeros-project.eu/v1alpha1", "kind": "ServiceComponentK8s",
		"metadata": map[string]any{
			"name": "a", "namespace": agentNamespace, "uid": "u", "resourceVersion": "7", "generation": int64(2),
			"creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": []any{map[string]any{"manager": "m"}},
			"labels": map[string]any{"l": "1"}, "annotations": map[string]any{"a": "2"},
		},
		"spec":   map[string]any{"image": "i"},
		"status": map[string]any{"phase": "Running"},
	}}
	before := object.DeepCopy()
	want := map[string]any{
		"apiVersion": "llo.aeros-project.eu/v1alpha1", "kind": "ServiceComponentK8s",
		"metadata": map[string]any{
			"name": "a", "namespace": bareNamespace,
			"labels": map[string]any{"l": "1"}, "annotations": map[string]any{"a": "2"},
		},
		"spec": map[string]any{"image": "i"},
	}
	if diff := cmp.Diff(want, stripped(object).Object); diff != "" {
		t.Errorf("copy (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before.Object, object.Object); diff != "" {
		t.Errorf("the original was changed (-want +got):\n%s", diff)
	}
}

func TestEveryRequestToTheBrokerCounts(t *testing.T) {
	t.Parallel()
	before := useOf(broker.Stats{EntityReads: 1, EntityWrites: 1, NotificationsSent: 5})
	after := useOf(broker.Stats{EntityReads: 3, ListReads: 10, SubscriptionReads: 100, EntityWrites: 3, BatchWrites: 20,
		SubscriptionWrites: 200, Other: 9, NotificationsSent: 50, NotificationsFailed: 7, EntitiesStored: 8})
	if got, want := after.since(before), (brokerUse{reads: 112, writes: 222}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestProcessorTimeGrowsWithWork(t *testing.T) {
	t.Parallel()
	before, err := processorTime()
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		for n := range 10_000_000 {
			_ = n * n
		}
		after, err := processorTime()
		if err != nil {
			t.Fatal(err)
		}
		if after > before {
			return
		}
	}
	t.Errorf("still %v after a minute of work", before)
}

func TestResourcesByKind(t *testing.T) {
	t.Parallel()
	resources, err := resourcesByKind()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for kind, resource := range resources {
		got[kind] = resource.GroupResource().String()
	}
	want := map[string]string{
		"ServiceComponentK8s":        "servicecomponentk8s.llo.aeros-project.eu",
		"ServiceComponentDocker":     "servicecomponentdockers.llo.aeros-project.eu",
		"ServiceComponentContainerd": "servicecomponentcontainerds.llo.aeros-project.eu",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
