package simulate

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

var leases = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

// isLease says whether a path is one of Leases.
func isLease(path []string) bool {
	return len(path) >= 6 && path[0] == "apis" && path[1] == leases.Group && path[2] == "v1" && path[3] == "namespaces" && path[5] == leases.Resource
}

// serveLease answers a request about Leases: get, create, and update from the version
// that the sender has read. Nobody deletes one.
func (k *kube) serveLease(path []string, req *http.Request) *http.Response {
	body := &unstructured.Unstructured{}
	if req.Method != http.MethodGet {
		text, err := io.ReadAll(req.Body)
		if err != nil || json.Unmarshal(text, &body.Object) != nil {
			return failure(apierrors.NewBadRequest("the Lease cannot be read"))
		}
	}
	at := place{resource: leases.Resource, namespace: path[4], name: body.GetName()}
	if len(path) > 6 {
		at.name = path[6]
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old, there := k.leases[at]
	switch {
	case req.Method == http.MethodPost && there:
		return failure(apierrors.NewAlreadyExists(leases, at.name))
	case req.Method == http.MethodPost:
		k.uids++
		body.SetUID(types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", k.uids)))
		body.SetNamespace(at.namespace)
		body.SetCreationTimestamp(metav1.Time{Time: time.Now().UTC().Truncate(time.Second)})
		return answer(http.StatusCreated, k.storeLease(at, body, req).Object)
	case !there:
		return failure(apierrors.NewNotFound(leases, at.name))
	case req.Method == http.MethodGet:
		return answer(http.StatusOK, old.Object)
	case req.Method == http.MethodPut && body.GetResourceVersion() != old.GetResourceVersion():
		return failure(apierrors.NewConflict(leases, at.name, fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again")))
	case req.Method == http.MethodPut:
		body.SetUID(old.GetUID())
		body.SetNamespace(at.namespace)
		body.SetCreationTimestamp(old.GetCreationTimestamp())
		return answer(http.StatusOK, k.storeLease(at, body, req).Object)
	}
	return answer(http.StatusMethodNotAllowed, metav1.Status{Status: metav1.StatusFailure, Code: http.StatusMethodNotAllowed})
}

// storedLease is a Lease, and when its sender began to write it.
type storedLease struct {
	*unstructured.Unstructured
	sent time.Time
}

// held is who holds it, "" if nobody does, and when that runs out unless it is renewed.
func (l storedLease) held() (holder string, until time.Time) {
	if l.Unstructured == nil {
		return "", time.Time{}
	}
	holder, _, _ = unstructured.NestedString(l.Object, "spec", "holderIdentity")
	seconds, _, _ := unstructured.NestedFloat64(l.Object, "spec", "leaseDurationSeconds")
	return holder, l.sent.Add(time.Duration(seconds) * time.Second)
}

// storeLease needs the lock.
func (k *kube) storeLease(at place, lease *unstructured.Unstructured, req *http.Request) *unstructured.Unstructured {
	holder, until := k.leases[at].held()
	sent, err := time.Parse(time.RFC3339Nano, req.Header.Get(sentHeader))
	if err != nil {
		sent = time.Now() // by a test
	}
	next := storedLease{lease, sent}
	to, _ := next.held()
	k.leased(req.Header.Get(agentHeader), holder, to, until)
	k.versions++
	lease.SetAPIVersion(leases.Group + "/v1")
	lease.SetKind("Lease")
	lease.SetResourceVersion(strconv.Itoa(k.versions))
	k.leases[at] = next
	return lease
}

// holder is who holds a Lease, "" if nobody does.
func (k *kube) holder(namespace, name string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	holder, _ := k.leases[place{resource: leases.Resource, namespace: namespace, name: name}].held()
	return holder
}
