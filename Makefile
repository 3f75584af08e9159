# What an operator and a developer need; `make help` lists it. Programs that are missing (API server, etcd, Helm) are
# built from their Go modules on first use.

# Where things go. Set them on the command line or in the environment.
REGISTRY ?= registry.example.org
IMAGE_REPOSITORY ?= hlo/hlo-agent
CHART_REGISTRY ?= oci://$(REGISTRY)/hlo/charts
# How `make deploy` installs: into the cluster of the current context, with the values in VALUES and CB_URL.
NAMESPACE ?= hlo-agent
RELEASE ?= hlo-agent
VALUES ?=
CB_URL ?=
# The version is that of the git tag, or of the commit.
VERSION ?= $(shell git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null || echo v0.0.0-g$$(git rev-parse --short=12 HEAD))
# Everything in a release bears the time of its commit, so that it is the same whenever it is built.
CREATED ?= $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)

IMAGE := $(REGISTRY)/$(IMAGE_REPOSITORY):$(VERSION)
CHART := hlo-agent-$(VERSION:v%=%).tgz
DIST := $(CURDIR)/dist
HELM ?= CGO_ENABLED=0 go tool -modfile=install/helm.mod helm
ENGINE ?= $(shell for engine in docker podman; do $$engine info >/dev/null 2>&1 && echo $$engine && break; done)
# What a pusher needs to say to a registry without TLS: --plain-http
PLAIN_HTTP ?=

LDFLAGS := -s -w -X github.com/hlo-agent/hlo-agent/agent.version=$(VERSION)
GO_BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'
RACE := $(shell command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1 && echo -race)

.PHONY: help build binaries image push chart helm-upload deploy all clean-build clean-deploy clean-all manifests release \
	sandbox test check lint bench homing-bench homing-oracle messages simulate simulate-bugs chaos soak leader fuzz dashboard clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: binaries ## the binaries, then the image where a container engine answers
	@$(if $(ENGINE),$(ENGINE) build --build-arg VERSION=$(VERSION) -t $(IMAGE) .,echo "no container engine answers: no image is loaded (make image builds one without)")

binaries: ## bin/hlo-agent, bin/hlo-sandbox, and bin/kubectl-hlo, which is the former
	$(GO_BUILD) -o bin/ ./cmd/hlo-agent ./cmd/hlo-sandbox
	@ln -sf hlo-agent bin/kubectl-hlo

# The program for other machines; the image is for those with linux.
RELEASED ?= linux-amd64 linux-arm64 darwin-amd64 darwin-arm64
PROGRAMS := $(RELEASED:%=$(DIST)/%/hlo-agent)
IMAGED := $(patsubst linux-%,%,$(filter linux-%,$(RELEASED)))
.PHONY: $(PROGRAMS)
$(PROGRAMS): $(DIST)/%/hlo-agent:
	GOOS=$(word 1,$(subst -, ,$*)) GOARCH=$(word 2,$(subst -, ,$*)) $(GO_BUILD) -o $@ ./cmd/hlo-agent

image: $(IMAGED:%=$(DIST)/linux-%/hlo-agent) ## dist/hlo-agent-image.tar for amd64 and arm64, without a container engine
	@go -C release run . image -name $(REGISTRY)/$(IMAGE_REPOSITORY) -version $(VERSION) -created $(CREATED) -out $(DIST)/hlo-agent-image.tar \
		$(foreach arch,$(IMAGED),$(arch)=$(DIST)/linux-$(arch)/hlo-agent)

push: image ## send the image to REGISTRY/IMAGE_REPOSITORY, with the credentials of docker login
	go -C release run . push $(PLAIN_HTTP:--%=-%) $(DIST)/hlo-agent-image.tar $(IMAGE)

chart: ## dist/hlo-agent-VERSION.tgz, the packaged chart, which names the image that push sends
	@rm -rf $(DIST)/chart && mkdir -p $(DIST)/chart && cp -r deploy/hlo-agent $(DIST)/chart/
	@sed -i 's|^  repository: hlo-agent$$|  repository: $(REGISTRY)/$(IMAGE_REPOSITORY)|' $(DIST)/chart/hlo-agent/values.yaml
	$(HELM) package $(DIST)/chart/hlo-agent --version $(VERSION:v%=%) --app-version $(VERSION) --destination $(DIST)

helm-upload: chart ## send the chart to CHART_REGISTRY
	$(HELM) push $(DIST)/$(CHART) $(CHART_REGISTRY) $(PLAIN_HTTP)

deploy: ## install or upgrade in the cluster of the current context; CB_URL=, VALUES=, NAMESPACE=
	$(HELM) upgrade --install $(RELEASE) deploy/hlo-agent --namespace $(NAMESPACE) --create-namespace \
		--set image.repository=$(REGISTRY)/$(IMAGE_REPOSITORY) --set-string image.tag=$(VERSION) \
		$(if $(VALUES),--values $(VALUES)) $(if $(CB_URL),--set-string settings.CB_URL=$(CB_URL))

all: build push helm-upload deploy ## build, push, helm-upload and deploy

clean-build: clean ## remove what build made, the image in the container engine included
	@$(if $(ENGINE),$(ENGINE) image rm $(IMAGE),true)

clean-deploy: ## uninstall from the cluster of the current context; workloads and definitions stay
	$(HELM) uninstall $(RELEASE) --namespace $(NAMESPACE) --ignore-not-found

clean-all: clean-build clean-deploy ## both

manifests: ## deploy/manifests and what else is made from something else
	cd install && go test . -run 'Manifests|Rights' -update

# First of all, since it is soon seen whether there are any; nothing of another version stays.
.PHONY: release-notes
release-notes:
	@rm -rf $(DIST)/hlo-agent-* $(DIST)/kubectl-hlo-* && mkdir -p $(DIST)
	@notes=$$(go -C release run . notes -version $(VERSION) ../CHANGELOG.md) && echo "$$notes" >$(DIST)/hlo-agent-$(VERSION)-notes.md

release: release-notes $(PROGRAMS) image chart ## everything that a version consists of, with notes and checksums, in dist; RELEASED=linux-amd64 for one platform
	cd $(DIST) && for platform in $(RELEASED); do cp $$platform/hlo-agent hlo-agent-$(VERSION)-$$platform && \
		ln hlo-agent-$(VERSION)-$$platform kubectl-hlo-$(VERSION)-$$platform && \
		go -C $(CURDIR)/release run . sbom -version $(VERSION) -created $(CREATED) $(DIST)/$$platform/hlo-agent >hlo-agent-$(VERSION)-$$platform.cdx.json || exit 1; done
	mv $(DIST)/hlo-agent-image.tar $(DIST)/hlo-agent-$(VERSION)-image.tar
	sed 's|image: .*hlo-agent:.*|image: $(IMAGE)|' deploy/manifests/hlo-agent.yaml >$(DIST)/hlo-agent-$(VERSION).yaml
	for file in deploy/hlo-agent/crds/*.yaml; do echo ---; cat $$file; done >$(DIST)/hlo-agent-$(VERSION)-crds.yaml
	cd $(DIST) && rm -rf $(RELEASED) chart SHA256SUMS && sha256sum hlo-agent-* kubectl-hlo-* >SHA256SUMS && cat SHA256SUMS

dashboard: ## dist/dashboard.html, the dashboard's graphs of a running agent; needs prometheus
	cd install && go test . -run Installed -pictures $(DIST)

sandbox: binaries ## the whole thing on this machine; ONCE=1 ends by itself, DOMAINS=2 runs two domains
	bin/hlo-sandbox up $(if $(DOMAINS),--domains $(DOMAINS)) $(if $(ONCE),--once)

test: ## all tests, those against a real API server included
	@$(if $(RACE),true,echo "no C compiler here: testing without -race")
	@go run ./cmd/hlo-sandbox assets >/dev/null # go test would hide that it builds, and why it waits
	go test $(RACE) -timeout 30m $$(go list ./... | grep -v '/sandbox/faults$$')
	go test $(RACE) -timeout 30m ./sandbox/faults # by itself: it keeps some fifty programs running at once
	@$(if $(RACE),$(MAKE) --no-print-directory simulate SEEDS=250,true) # with the race detector it was 30

lint: ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...

check: lint test ## what CI looks at first

bench: binaries ## the speed of the agent beside bare client-go; N=2000, ONLY=apply,life for a part, ROUNDS=3
	bin/hlo-sandbox bench -n $(or $(N),2000) --rounds $(or $(ROUNDS),3) $(if $(ONLY),--only $(ONLY))

homing-bench: ## the speed of homing, worst of ROUNDS=5 seeds for each row of docs/performance.md; ONLY=Crowded for one
	go test ./homing -run '^$$' -bench '$(or $(ONLY),.)' -benchtime $(or $(ROUNDS),5)x

homing-oracle: ## random homing problems against complete enumeration; N=20000
	@out=$$(go test ./homing -run '^TestOracle$$' -v -count 1 -timeout 120m -homing.problems=$(or $(N),20000) 2>&1) || { echo "$$out"; exit 1; }; \
	echo "$$out" | grep -o 'oracle: .*'

messages: ## allocation messages while the agent is killed at random; KILLS=200
	go run ./cmd/hlo-sandbox assets >/dev/null
	go test ./sandbox/faults -run TestMessagesSurviveKills -v -timeout 60m -kills $(or $(KILLS),200)

fuzz: ## every fuzz target one after the other, FUZZTIME=30s each; ONLY=homing for those of a folder; the last line counts
	@FUZZTIME=$(or $(FUZZTIME),30s) .ci/fuzz $(ONLY)

simulate: ## the agent in a made-up world where everything breaks; SEEDS=3000, or SEED=n for one and its log
	go test -c -o bin/simulate.test ./sandbox/simulate
	@cd sandbox/simulate && $(if $(SEED),SEED=$(SEED),SEEDS=$(or $(SEEDS),3000)) ../../bin/simulate.test -test.run '^TestSimulate$$' -test.timeout 0 $(if $(SEED),-test.v)

simulate-bugs: ## that the simulation catches every bug planted on purpose; BUGS=find to look for seeds anew
	go test -c -o bin/simulate.test ./sandbox/simulate
	@cd sandbox/simulate && BUGS=$(or $(BUGS),all) ../../bin/simulate.test -test.run '^TestPlantedBugs$$' -test.timeout 0 -test.v

chaos: ## the processes of the sandbox killed at random while a workload runs; CHAOS_TIME=3m
	@go run ./cmd/hlo-sandbox assets >/dev/null
	@rm -f bin/chaos.txt; mkdir -p bin
	CHAOS_TIME=$(or $(CHAOS_TIME),3m) CHAOS_FIGURE=$(CURDIR)/bin/chaos.txt go test ./sandbox/faults -run '^TestChaos$$' -count=1 -timeout 0; \
		ended=$$?; cat bin/chaos.txt; exit $$ended

soak: binaries ## one agent under load for SOAK_TIME=10m with SOAK_N=2000 components standing; fails if anything grows
	bin/hlo-sandbox soak --time $(or $(SOAK_TIME),10m) -n $(or $(SOAK_N),2000)

leader: ## how long it takes until another copy acts, after a kill and after a stop; RUNS=3
	@go run ./cmd/hlo-sandbox assets >/dev/null
	@rm -f bin/leader.txt; mkdir -p bin
	LEADER_FIGURE=$(CURDIR)/bin/leader.txt go test ./sandbox/faults -run '^TestLeaderChanges$$' -count=$(or $(RUNS),3) -timeout 0
	@sort bin/leader.txt

clean: ## remove what build made
	rm -rf bin dist
