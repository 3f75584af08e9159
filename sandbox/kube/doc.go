// Package kube runs a real kube-apiserver with its etcd on this machine, for the sandbox and for tests. It
// finds the programs or builds them once, starts them on loopback with certificates of their own, installs the
// custom resources of the low-level orchestrators, and sees to it that nothing is left running, not even when
// the process that started them is killed.
//
// There is no controller-manager: foreground deletion never ends, a deleted namespace stays Terminating, and a
// Deployment gets no pods. Delete with background propagation.
package kube
