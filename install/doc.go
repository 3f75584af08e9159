// Package install has no code but tests: of what deploy holds, as an operator meets it. The chart's every value is
// rendered by Helm, sent to a real API server and refused or kept by it; the chart is installed there with RBAC on,
// and the agent does its whole job with the rights that this gives it; plain manifests, rights, alerts and dashboard
// are compared with what they are made from. It is a module of its own, run as `cd install && go test ./...`. Helm is
// built from the module that helm.mod pins; the Prometheus operator's definitions come out of the one in crds/go.mod,
// which is downloaded and never compiled.
package install
