# What a developer needs. Programs that are missing (API server, etcd) are built
# from their Go modules on first use.
GOFLAGS_BUILD := -trimpath -ldflags '-s -w'
RACE := $(shell command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1 && echo -race)

.PHONY: help build sandbox test check lint bench messages fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/hlo-agent and bin/hlo-sandbox
	CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -o bin/ ./cmd/hlo-agent ./cmd/hlo-sandbox

sandbox: build ## the whole thing on this machine; ONCE=1 ends by itself
	bin/hlo-sandbox up $(if $(ONCE),--once)

test: ## all tests, those against a real API server included
	@$(if $(RACE),true,echo "no C compiler here: testing without -race")
	@go run ./cmd/hlo-sandbox assets >/dev/null # go test would hide that it builds, and why it waits
	go test $(RACE) -timeout 30m ./...

lint: ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...

check: lint test ## what CI looks at first

bench: build ## the speed of the agent beside bare client-go; N=2000
	bin/hlo-sandbox bench -n $(or $(N),2000)

messages: ## allocation messages while the agent is killed at random; KILLS=200
	go run ./cmd/hlo-sandbox assets >/dev/null
	go test ./sandbox/faults -run TestMessagesSurviveKills -v -timeout 60m -kills $(or $(KILLS),200)

fuzz: ## every fuzz target one after the other, FUZZTIME=30s each; the last line counts
	@FUZZTIME=$(or $(FUZZTIME),30s) .ci/fuzz

clean: ## remove what build made
	rm -rf bin
