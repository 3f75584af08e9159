// Package published has no code but tests: what the shipped mappings render is valid for the custom resource
// definitions that other systems publish, on a real API server, and the mappings read the states that these
// definitions allow. It is a module of its own, run as `cd mapping/published && go test ./...`. The definitions come
// out of the modules that crds/go.mod pins; these are downloaded and never compiled.
package published
