package kube

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// REST is a configuration for the administrator, without a client-side rate limit. The caller owns it.
func (s *Server) REST() *rest.Config { return rest.CopyConfig(s.admin) }

// User is a configuration for another user, who may do what RBAC rules for the name and groups say: nothing to
// begin with. The caller owns it.
func (s *Server) User(name string, groups ...string) (*rest.Config, error) {
	certificate, err := s.authority.user(name, groups)
	if err != nil {
		return nil, fmt.Errorf("make user %s: %w", name, err)
	}
	return &rest.Config{
		Host: "https://" + loopback(s.dir.port),
		TLSClientConfig: rest.TLSClientConfig{
			CAData: s.authority.pem, CertData: certificate.cert, KeyData: certificate.key,
		},
		QPS: -1,
	}, nil
}

// Kubeconfig is the administrator's configuration file, keys included, for kubectl and for programs that read
// KUBECONFIG. It is good as long as this server is not stopped.
func (s *Server) Kubeconfig() ([]byte, error) {
	const name = "hlo-sandbox"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: s.admin.Host, CertificateAuthorityData: s.admin.CAData}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: s.admin.CertData, ClientKeyData: s.admin.KeyData,
	}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: "default"}
	config.CurrentContext = name
	text, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("write kubeconfig: %w", err)
	}
	return text, nil
}

// KubectlPath is a kubectl of the API server's version; or plain "kubectl", the one in PATH, when the folder
// that the user gave has none.
func (s *Server) KubectlPath() string {
	if s.assets.Kubectl == "" {
		return "kubectl"
	}
	return s.assets.Kubectl
}
