package kube

import (
	"fmt"
	"strings"
)

// etcd listens on a socket in the run folder: no port to collide on, and no one else can reach it. Both
// programs run in that folder, so the path is short however long the folder's is.
const etcdSocket = "etcd.sock:0"

func etcdArgs() []string {
	return []string{
		"--name=sandbox",
		"--data-dir=etcd",
		"--listen-client-urls=unix://" + etcdSocket,
		"--advertise-client-urls=http://127.0.0.1:1", // must be there; nobody uses it
		"--listen-peer-urls=unix://peer.sock:0",
		"--initial-advertise-peer-urls=http://127.0.0.1:1",
		"--initial-cluster=sandbox=http://127.0.0.1:1",
		"--unsafe-no-fsync", // the data ends with the process
		"--quota-backend-bytes=8589934592",
		"--log-level=warn",
	}
}

// offAdmission are the plugins that wait for a controller which does not run here, or that only concern pods.
func offAdmission() []string {
	return []string{
		"DefaultIngressClass", "DefaultStorageClass", "DefaultTolerationSeconds", "LimitRanger",
		"PersistentVolumeClaimResize", "Priority", "ResourceQuota", "RuntimeClass",
		"ServiceAccount", "StorageObjectInUseProtection", "TaintNodesByCondition",
	}
}

func apiServerArgs(port int) []string {
	return []string{
		"--etcd-servers=unix://" + etcdSocket,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none", // nothing reaches it through the service network
		fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + servingCertFile,
		"--tls-private-key-file=" + servingKeyFile,
		"--client-ca-file=" + caFile,
		"--service-account-issuer=https://" + loopback(port),
		"--service-account-key-file=" + accountsKeyFile,
		"--service-account-signing-key-file=" + accountsKeyFile,
		"--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC",
		"--disable-admission-plugins=" + strings.Join(offAdmission(), ","),
		"--enable-priority-and-fairness=false", // one user with everything in flight is the normal case here
		"--max-requests-inflight=2000",
		"--max-mutating-requests-inflight=1000",
		"--allow-privileged",
		"--profiling=false",
	}
}
