package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// serve answers one request that is no watch.
func (k *kube) serve(req *http.Request) *http.Response {
	path := splitPath(req.URL.Path)
	if len(path) == 1 && path[0] == "apis" {
		return answer(http.StatusOK, groups())
	}
	if isLease(path) {
		return k.serveLease(path, req)
	}
	if len(path) < 3 || path[0] != "apis" || path[1] != version.Group || path[2] != version.Version {
		return plain404()
	}
	if len(path) == 3 {
		return answer(http.StatusOK, resources())
	}
	p, ok := placeOf(path[3:])
	switch {
	case !ok:
		return plain404()
	case p.name == "" && req.Method == http.MethodGet:
		return answer(http.StatusOK, k.list(p))
	case req.Method == http.MethodGet:
		if o := k.get(p); o != nil {
			return answer(http.StatusOK, o.Object)
		}
		return failure(apierrors.NewNotFound(schema.GroupResource{Group: version.Group, Resource: p.resource}, p.name))
	case req.Method == http.MethodPatch && req.Header.Get("Content-Type") == "application/apply-patch+yaml":
		return k.serveApply(p, req)
	case req.Method == http.MethodDelete:
		return k.serveDelete(p, req)
	}
	return answer(http.StatusMethodNotAllowed, metav1.Status{Status: metav1.StatusFailure, Code: http.StatusMethodNotAllowed})
}

// placeOf reads [namespaces NS] RESOURCE [NAME].
func placeOf(path []string) (place, bool) {
	var p place
	if len(path) >= 3 && path[0] == "namespaces" {
		p.namespace, path = path[1], path[2:]
	}
	p.resource = path[0]
	if len(path) > 1 {
		p.name, _ = url.PathUnescape(path[1])
	}
	return p, kinds[p.resource] != "" && len(path) <= 2
}

func (k *kube) serveApply(p place, req *http.Request) *http.Response {
	body, err := io.ReadAll(req.Body)
	patch := &unstructured.Unstructured{}
	if err == nil {
		err = patch.UnmarshalJSON(body)
	}
	if err != nil {
		return failure(apierrors.NewBadRequest(err.Error()))
	}
	query := req.URL.Query()
	before := k.get(p) == nil
	o, err := k.apply(p, patch, query.Get("fieldManager"), query.Get("force") == "true")
	if err != nil {
		return failure(err)
	}
	if before {
		return answer(http.StatusCreated, o.Object)
	}
	return answer(http.StatusOK, o.Object)
}

func (k *kube) serveDelete(p place, req *http.Request) *http.Response {
	var options metav1.DeleteOptions
	if body, err := io.ReadAll(req.Body); err != nil || len(body) > 0 && json.Unmarshal(body, &options) != nil {
		return failure(apierrors.NewBadRequest("delete options cannot be read"))
	}
	var o *unstructured.Unstructured
	var err error
	if options.Preconditions != nil {
		o, err = k.delete(req.Header.Get(agentHeader), p, options.Preconditions.UID)
	} else {
		o, err = k.delete(req.Header.Get(agentHeader), p, nil)
	}
	switch {
	case err != nil:
		return failure(err)
	case o != nil:
		return answer(http.StatusOK, o.Object)
	}
	return answer(http.StatusOK, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{Name: p.name, Group: version.Group, Kind: p.resource},
	})
}

// What the transports of agents tell the model: which agent sends a request, and when.
const (
	agentHeader = "X-Simulated-Agent"
	sentHeader  = "X-Simulated-Sent"
)

func (k *kube) list(p place) map[string]any {
	k.mu.Lock()
	defer k.mu.Unlock()
	items := []any{}
	for _, at := range k.places() {
		if at.resource == p.resource && (p.namespace == "" || at.namespace == p.namespace) {
			items = append(items, k.objects[at].Object)
		}
	}
	return map[string]any{
		"apiVersion": version.String(), "kind": kinds[p.resource] + "List",
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(k.versions)}, "items": items,
	}
}

func groups() metav1.APIGroupList {
	v := metav1.GroupVersionForDiscovery{GroupVersion: version.String(), Version: version.Version}
	return metav1.APIGroupList{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"},
		Groups:   []metav1.APIGroup{{Name: version.Group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v}},
	}
}

func resources() metav1.APIResourceList {
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: version.String()}
	for resource, kind := range kinds {
		list.APIResources = append(list.APIResources, metav1.APIResource{Name: resource, Kind: kind, Namespaced: true})
	}
	slices.SortFunc(list.APIResources, func(a, b metav1.APIResource) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// answer is a response with a JSON body.
func answer(code int, body any) *http.Response {
	text, err := json.Marshal(body)
	if err != nil {
		return failure(apierrors.NewInternalError(err))
	}
	return &http.Response{
		StatusCode: code, Status: strconv.Itoa(code) + " " + http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(text)),
		Body: io.NopCloser(bytes.NewReader(text)),
	}
}

func failure(err error) *http.Response {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		status = apierrors.NewInternalError(err)
	}
	s := status.Status()
	s.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	return answer(int(s.Code), s)
}

// plain404 is what the API server says of a path that it does not know.
func plain404() *http.Response {
	r := answer(http.StatusNotFound, nil)
	r.Header.Set("Content-Type", "text/plain")
	r.Body = io.NopCloser(strings.NewReader("404 page not found\n"))
	r.ContentLength = -1
	return r
}

func splitPath(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }
