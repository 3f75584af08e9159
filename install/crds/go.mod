// The module in which the Prometheus operator publishes the definitions of its custom resources. It is downloaded
// and never compiled: what it requires would raise versions that our own packages are built with.
module github.com/hlo-agent/hlo-agent/install/crds

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
