# Two commands: `make session` opens a session, `make test` runs every test. Each installs what is missing first.
SHELL := /bin/sh
CARGO ?= cargo

.PHONY: help session serve cluster cluster-stop test build dist lint deps test-deps clean

help:
	@echo "make session   install what is missing, build, fetch the default model once, open a session"
	@echo "make serve     the same, for a service with pages for many people and an API"
	@echo "make cluster   three NATS servers, two shards and a front end on this machine; make cluster-stop stops them"
	@echo "make test      install what is missing, build, run all tests"
	@echo "make build     build only (target/release/credence)"
	@echo "make dist      a binary of half the size (target/dist/credence), which takes several times as long to build"
	@echo "make lint      before a commit: formatting, clippy, and dependency rules where cargo-deny is installed"

# ARGS reaches the command: make session ARGS="--person ada"
session: build
	@./target/release/credence session $(ARGS)

# ARGS reaches the command: make serve ARGS="--listen 127.0.0.1:8080"
serve: build
	@./target/release/credence serve $(ARGS)

# People past one machine, tried on one (docs/scale.md).
cluster: build test-deps
	@command -v nats-server >/dev/null 2>&1 || { echo "nats-server was not found: install it (one binary, github.com/nats-io/nats-server)" >&2; exit 1; }
	@./scripts/cluster.sh start

cluster-stop:
	@./scripts/cluster.sh stop

build: deps
	@$(CARGO) build --release --locked --bin credence

dist: deps
	@$(CARGO) build --profile dist --locked --bin credence
	@echo "target/dist/credence: $$(($$(wc -c < target/dist/credence) / 1000000)) MB"

# Test binaries run one after another: two copies of the model on the same cores spin against each other.
test: test-deps
	@$(CARGO) fmt --all --check
	@$(CARGO) fmt --manifest-path python/Cargo.toml --check
	@CREDENCE_BROWSER=$$(command -v chromedriver) CREDENCE_NATS_SERVER=$$(command -v nats-server) $(CARGO) test --release --locked --workspace

lint: deps
	@$(CARGO) fmt --all --check
	@$(CARGO) fmt --manifest-path python/Cargo.toml --check
	@$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	@CARGO_TARGET_DIR=target/python $(CARGO) clippy --release --locked --manifest-path python/Cargo.toml -- -D warnings
	@if command -v cargo-deny >/dev/null 2>&1; then cargo deny check bans licenses sources; else echo "cargo-deny is not installed: dependency rules not checked"; fi

# A browser and a NATS server, for the tests of the pages and of experiments on many machines only.
test-deps: deps
	@./scripts/install-deps.sh for-tests

deps:
	@./scripts/install-deps.sh
	@mkdir -p .cargo && ./scripts/llama-settings.sh

clean:
	@$(CARGO) clean
