# plattr: every way to build, try and test it. `make` alone prints this list.

# One set of flags everywhere: another one would compile every dependency anew.
export CGO_ENABLED = 0

BIN  := bin/plattr
N    ?= 50
SEED ?= 0
DEPLOYS ?= 20

.DEFAULT_GOAL := help
.PHONY: help build demo check e2e test lint tools unit generate verify platforms bench chaos setup clean

help: ## print this list
	@sed -n 's/^\([a-z0-9]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 20

build: ## build bin/plattr
	go build -o $(BIN) ./cmd/plattr

demo: ## from nothing to running example applications, with times and URLs
	@internal/tools/setup.sh demo
	@internal/tools/demo.sh

check: ## the fast subset for the inner loop: vet and tests without servers
	go vet ./...
	go test -short ./...

test: ## install what tests need, then lint, every test, generated files, other platforms
	@internal/tools/setup.sh test
	@$(MAKE) --no-print-directory lint verify platforms tools unit
	@if why=$$(internal/tools/clusters.sh); then $(MAKE) --no-print-directory e2e; else echo "make e2e is left out: $$why"; fi

# Before the tests: a compiler beside them would take their time.
tools:
	@internal/tools/build.sh pulumi >/dev/null

unit:
	PLATTR_TEST_REQUIRE=1 go test -timeout 20m ./...

lint: ## golangci-lint with the rules of .golangci.yml
	$$(internal/tools/build.sh golangci-lint) run ./...

generate: ## rewrite generated files and goldens
	go generate ./...

verify: ## fail when generated files are not up to date
	@internal/tools/verify.sh

platforms: ## type-check our packages for linux/arm64 and darwin/arm64, from source
	go test -count=1 -run TestPlatforms ./internal/tools/platforms -platforms

# With other arguments than unit has, which go keeps the results under: it would forget one of them for the other.
e2e: ## the tests on real Kubernetes, with Kind clusters; installs what they need (Docker's daemon, mmdebstrap)
	@internal/tools/setup.sh e2e
	@internal/tools/build.sh kubernetes >/dev/null
	PLATTR_TEST_REQUIRE=1 PLATTR_TEST_CLUSTER=1 go test -p 1 -timeout 25m ./internal/providers/kubernetes ./internal/cluster
	PLATTR_TEST_REQUIRE=1 PLATTR_TEST_CLUSTER=1 go test -p 1 -timeout 30m -run 'TestKind|TestKubernetes|TestCluster|TestDeploy|TestPods' \
	  ./internal/testutil ./internal/engine ./internal/e2e ./localdev

bench: ## the figures of the README, each as a ratio against its alternative
	PLATTR_TEST_REQUIRE=1 go test -p 1 -run '^$$' -bench . -benchtime 10x -timeout 60m ./...

chaos: ## kill plattr at random moments: N runs on this machine, DEPLOYS to a cluster (N=1000 DEPLOYS=200 SEED=7)
	@internal/tools/setup.sh test
	@if why=$$(internal/tools/clusters.sh); then internal/tools/setup.sh e2e; else echo "no deploys to a cluster: $$why"; fi
	PLATTR_TEST_REQUIRE=1 PLATTR_TEST_CLUSTER=$$(internal/tools/clusters.sh >/dev/null && echo 1) \
	  go test -count=1 -parallel 1 -timeout 240m -run '^(TestChaos|TestDeployChaos)$$' ./internal/e2e \
	  -chaos.n=$(N) -chaos.deploy=$(DEPLOYS) -chaos.seed=$(SEED) -v

setup: ## install what the tests need on this machine
	@internal/tools/setup.sh test

clean: ## remove what make built; local services and data stay (plattr dev destroy --all)
	rm -rf bin
