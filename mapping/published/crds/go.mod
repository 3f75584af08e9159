// The modules in which other systems publish the definitions of their custom resources. They are downloaded and
// never compiled: what they require would raise versions that our own packages are built with.
module github.com/hlo-agent/hlo-agent/mapping/published/crds

go 1.26.3

require (
	github.com/argoproj/argo-cd/v3 v3.5.7
	knative.dev/serving v0.51.0
	open-cluster-management.io/api v1.2.0
)
