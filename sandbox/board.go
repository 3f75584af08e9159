package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
	"github.com/hlo-agent/hlo-agent/sandbox/kube"
	"github.com/hlo-agent/hlo-agent/sandbox/world"
)

// board shows what the broker and the cluster say of every component, side by side.
type board struct {
	out      io.Writer
	terminal bool
	drawn    int    // lines that the last drawing took
	last     string // the rows that were drawn
	client   *ngsild.Client
	cluster  dynamic.Interface
	expected map[string]string
	services map[string]string
}

func newBoard(brokerURL string, server *kube.Server, out io.Writer) (*board, error) {
	cluster, err := dynamic.NewForConfig(server.REST())
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	file, ok := out.(*os.File)
	return &board{
		out: out, terminal: ok && term.IsTerminal(int(file.Fd())), cluster: cluster,
		client:   ngsild.NewClient(ngsild.ClientConfig{BaseURL: brokerURL, Transport: http.DefaultTransport}),
		expected: world.Expected(), services: world.ExpectedServices(),
	}, nil
}

// refresh reads both sides, shows them, and says what is not yet as expected.
func (b *board) refresh(ctx context.Context) (missing string, err error) {
	objects, err := b.objects(ctx)
	if err != nil {
		return "the cluster cannot be read", err
	}
	entities := map[string]ngsild.Entity{}
	_, err = b.client.List(ctx, ngsild.Query{Types: []string{"ServiceComponent", "Service"}, Local: true}, func(page []ngsild.Entity) error {
		for _, e := range page {
			entities[string(e.ID)] = e
		}
		return nil
	})
	if err != nil {
		return "the broker cannot be read", err
	}
	var rows, wrong []string
	for _, id := range sortedKeys(b.expected) {
		row, ok := b.row(id, entities[id], objects[id])
		rows = append(rows, row)
		if !ok {
			wrong = append(wrong, id)
		}
	}
	for _, id := range sortedKeys(b.services) {
		e := entities[id]
		if !strings.EqualFold(e.Enum("actionType"), b.services[id]) {
			wrong = append(wrong, id+" is "+e.Enum("actionType"))
		}
	}
	b.draw(rows)
	return strings.Join(wrong, ", "), nil
}

// row is one line of the table, and whether it is the expected one.
func (b *board) row(id string, e ngsild.Entity, object *unstructured.Unstructured) (string, bool) {
	value, _ := e.Attrs["deploymentStatus"].Value.(map[string]any)
	phase, _ := value["phase"].(string)
	reason, _ := value["reason"].(string)
	kind, state := "-", "-"
	if object != nil {
		kind = object.GetKind()
		state, _, _ = unstructured.NestedString(object.Object, "status", "phase")
		if state == "" {
			state = "(none)"
		}
	}
	status := e.Enum("serviceComponentStatus")
	ok := status == b.expected[id] && object != nil && phase != "" && (status != "Failed" || reason != "")
	element, _ := e.Text("infrastructureElement")
	ok = ok && element != ""
	row := strings.Join([]string{strings.TrimPrefix(id, "urn:ngsi-ld:"), lastPart(element), status, phase, reason, kind, state}, "\t")
	return row, ok
}

// lastPart is an id without the words before its last two colons.
func lastPart(id string) string {
	parts := strings.Split(id, ":")
	return strings.Join(parts[max(0, len(parts)-2):], ":")
}

func (b *board) objects(ctx context.Context) (map[string]*unstructured.Unstructured, error) {
	found := map[string]*unstructured.Unstructured{}
	resources, err := customResources()
	if err != nil {
		return nil, err
	}
	for _, resource := range resources {
		list, err := b.cluster.Resource(resource).Namespace(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("list %s", resource.Resource), err)
		}
		for i := range list.Items {
			found[list.Items[i].GetAnnotations()[llo.EntityAnnotation]] = &list.Items[i]
		}
	}
	return found, nil
}

// customResources are the resources that the sandbox's API server has beside
// those of Kubernetes.
func customResources() ([]schema.GroupVersionResource, error) {
	crds, err := kube.CRDs()
	if err != nil {
		return nil, err
	}
	var resources []schema.GroupVersionResource
	for _, crd := range crds {
		group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
		plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
		resources = append(resources, schema.GroupVersionResource{Group: group, Version: "v1alpha1", Resource: plural})
	}
	return resources, nil
}

const header = "COMPONENT\tELEMENT\tSTATUS\tPHASE\tREASON\tRESOURCE\tITS STATUS"

// draw redraws the table on a terminal, and elsewhere prints it when it changed.
func (b *board) draw(rows []string) {
	text := strings.Join(rows, "\n")
	if b.last == text {
		return
	}
	b.last = text
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, header)
	fmt.Fprintln(w, text)
	_ = w.Flush() // a Builder takes everything
	if b.terminal && b.drawn > 0 {
		fmt.Fprintf(b.out, "\x1b[%dA\x1b[J", b.drawn)
	}
	fmt.Fprint(b.out, table.String())
	if !b.terminal {
		fmt.Fprintln(b.out)
	}
	b.drawn = len(rows) + 1
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
