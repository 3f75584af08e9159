package llo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// callTimeout bounds a request for one object, on both sides; listTimeout a page of
// a list, which holds everything where the API server has it in memory. A watch is
// bounded by the Reflector.
const (
	callTimeout = 30 * time.Second
	listTimeout = 5 * time.Minute
)

// api sends requests and observes them. It repeats none: when to try again is
// decided by the caller.
type api struct {
	client  *rest.RESTClient
	http    *http.Client
	observe func(verb, kind string, code int, d time.Duration)
	reach   *reach
	warned  *warnings
}

func (c *Cluster) newAPI(config *rest.Config) (*api, error) {
	config = dynamic.ConfigFor(config) // a copy
	config.AcceptContentTypes = "application/json"
	config.ContentType = "application/json"
	config.Timeout = 0 // it would end the watches
	if config.QPS == 0 {
		config.QPS = -1
	}
	config.WarningHandlerWithContext = rest.NoWarnings{} // do tells them
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	config.GroupVersion = &schema.GroupVersion{}
	restClient, err := rest.UnversionedRESTClientForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	return &api{client: restClient, http: client, observe: c.observe, reach: c.reach, warned: &warnings{log: c.log}}, nil
}

// close ends the idle connections; the api stays usable.
func (a *api) close() { net.CloseIdleConnectionsFor(a.http.Transport) }

// request is one call. Method is GET unless body says otherwise.
type request struct {
	verb, kind string // as observed
	method     string // empty: GET
	path       []string
	options    runtime.Object // query parameters, may be nil
	patch      types.PatchType
	body       []byte
	hidden     func() Texts // what the answer may repeat and no log; nil: nothing
}

func (a *api) build(r request) *rest.Request {
	if r.method == "" {
		r.method = http.MethodGet
	}
	built := a.client.Verb(r.method)
	if r.patch != "" {
		built = a.client.Patch(r.patch)
	}
	built = built.AbsPath(r.path...).MaxRetries(0)
	if r.body != nil {
		built = built.Body(r.body)
	}
	if r.options != nil {
		built = built.SpecificallyVersionedParams(r.options, metav1.ParameterCodec, metav1.Unversioned)
	}
	return built
}

// do sends r and gives the body of the answer. Where the API server explains an
// error, that is an apierrors.APIStatus.
func (a *api) do(ctx context.Context, r request) ([]byte, error) {
	call := a.build(r)
	if r.verb == "list" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, listTimeout)
		defer cancel()
	} else {
		call = call.Timeout(callTimeout)
	}
	began, code := time.Now(), 0
	result := call.Do(ctx)
	result.StatusCode(&code)
	for _, warning := range result.Warnings() {
		a.warned.tell(warning, r.hidden)
	}
	a.observe(r.verb, r.kind, code, time.Since(began))
	err := result.Error()
	a.reach.note(ctx, code, err)
	if err != nil {
		return nil, err
	}
	return result.Raw()
}

// open sends r and gives the body of the answer while it is still coming.
func (a *api) open(ctx context.Context, r request) (io.ReadCloser, error) {
	began := time.Now()
	body, err := a.build(r).Stream(ctx)
	code := http.StatusOK
	if err != nil {
		code = statusOf(err)
	}
	a.observe(r.verb, r.kind, code, time.Since(began))
	a.reach.note(ctx, code, err)
	return body, err
}

// statusOf is the HTTP status behind an error, 0 if there was no answer.
func statusOf(err error) int {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return int(status.Status().Code)
	}
	return 0
}

func versionPath(version schema.GroupVersion) []string {
	if version.Group == "" {
		return []string{"api", version.Version}
	}
	return []string{"apis", version.Group, version.Version}
}

// path leads to one object, or to all of them if name is empty.
func (r *resource) path(gvk schema.GroupVersionKind, namespace, name string) []string {
	path := versionPath(gvk.GroupVersion())
	if r.namespaced && namespace != "" {
		path = append(path, "namespaces", namespace)
	}
	path = append(path, r.plural)
	if name != "" {
		path = append(path, name)
	}
	return path
}

func isSubresource(name string) bool { return strings.Contains(name, "/") }

// pathError is what is wrong with a name as a part of a path, empty if nothing is.
func pathError(name string) string {
	if name == "" {
		return "no name"
	}
	if problems := rest.IsValidPathSegmentName(name); len(problems) > 0 {
		return fmt.Sprintf("name %q: %s", name, strings.Join(problems, "; "))
	}
	return ""
}
