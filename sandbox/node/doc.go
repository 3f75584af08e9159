// Package node runs the pods of one Deployment where no kubelet is: each as a process on this machine, with the
// environment that the Deployment gives it, its volumes as folders, and a token of its ServiceAccount and nothing else to
// show to the API server. It follows the Deployment and what it mounts, and says in its status whether the pod is ready.
// What a pod has and a process has not: an image, a network, limits, and a user of its own. One process stands for all copies.
package node
