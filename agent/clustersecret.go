package agent

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// clusterLabel is on each Secret that binds a cluster; its value is the name of
// the cluster.
const clusterLabel = "hlo-agent.github.io/cluster"

// clusterSecret is a Secret with that label: orchestrators and domains hold ids,
// with commas or on lines of their own, and kubeconfig the way to the cluster.
type clusterSecret struct {
	name, cluster                      string
	orchestrators, domains, kubeconfig string
}

// secretLister reads the labelled Secrets in a namespace of the default cluster.
func secretLister(config *rest.Config, namespace string) (func(ctx context.Context) ([]clusterSecret, error), error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	secrets := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace(namespace)
	return func(ctx context.Context) ([]clusterSecret, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		list, err := secrets.List(ctx, metav1.ListOptions{LabelSelector: clusterLabel})
		if err != nil {
			return nil, err
		}
		var found []clusterSecret
		for i := range list.Items {
			o := &list.Items[i]
			found = append(found, clusterSecret{
				name: o.GetName(), cluster: o.GetLabels()[clusterLabel],
				orchestrators: secretText(o, "orchestrators"), domains: secretText(o, "domains"), kubeconfig: secretText(o, "kubeconfig"),
			})
		}
		return found, nil
	}, nil
}

// secretText is a value of a Secret, empty if it is not there.
func secretText(o *unstructured.Unstructured, key string) string {
	encoded, _, _ := unstructured.NestedString(o.Object, "data", key)
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "" // the API server takes no such thing
	}
	return string(text)
}

func (s clusterSecret) entry() entry {
	return entry{"Secret " + s.name, s.cluster, ids(s.orchestrators), ids(s.domains)}
}

func ids(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
}

func (s clusterSecret) connection() connection {
	if s.cluster == defaultCluster {
		return connection{}
	}
	c := connection{digest: digestText(s.kubeconfig)}
	if c.rest, c.err = restConfigOf([]byte(s.kubeconfig)); c.err != nil {
		c.err = fmt.Errorf("kubeconfig in Secret %s: %w", s.name, c.err)
	}
	return c
}

// restConfigOf reads a kubeconfig that stands for itself: whoever may write
// Secrets shall neither run programs here nor have files of ours sent anywhere.
func restConfigOf(kubeconfig []byte) (*rest.Config, error) {
	read, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, errors.New("is not readable") // the reason may quote it
	}
	for _, user := range read.AuthInfos {
		if user.Exec != nil || user.AuthProvider != nil || user.ClientCertificate != "" || user.ClientKey != "" || user.TokenFile != "" {
			return nil, errors.New("names programs or files, and must hold everything itself")
		}
	}
	for _, cluster := range read.Clusters {
		if cluster.CertificateAuthority != "" {
			return nil, errors.New("names programs or files, and must hold everything itself")
		}
	}
	c, err := clientcmd.NewDefaultClientConfig(*read, &clientcmd.ConfigOverrides{ClusterDefaults: clientcmdapi.Cluster{}}).ClientConfig()
	if err != nil {
		return nil, errors.New("has no usable current context")
	}
	if c.Host == "" {
		return nil, errors.New("names no server")
	}
	if addressUser.MatchString(c.Host) {
		return nil, errors.New("has a user or a password in the server's address")
	}
	return identified(c), nil
}
