# Every target first finds or makes what it needs on this machine; see toolchain/.
PYTHON ?= python3
STACK ?= dev
FUZZ ?= 20
BESIDE ?= --numprocesses 2 --dist loadgroup --no-loadscope-reorder
TOOLCHAIN = $(PYTHON) -m toolchain
ENV = . ./.toolchain/env
COMPILE = uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.10

.DEFAULT_GOAL := help
.PHONY: help up down preview secrets test lint fuzz bench bench-server bench-deploy lock toolchain toolchain-refresh tools clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## deploy the stack, try its services (STACK=dev)
	@$(TOOLCHAIN) up --stack '$(STACK)'

down: ## destroy the stack (STACK=dev)
	@$(TOOLCHAIN) down --stack '$(STACK)'

preview: ## show what up would change (STACK=dev)
	@$(TOOLCHAIN) preview --stack '$(STACK)'

secrets: ## make the keys and the certificate that the stack lacks (STACK=dev)
	@$(TOOLCHAIN) secrets --stack '$(STACK)'

test: lint tools ## lint, then all tests
	@$(TOOLCHAIN) browser
	@$(TOOLCHAIN) registry
	@$(ENV) && python -m pytest $(BESIDE)

tools:
	@$(TOOLCHAIN) tools

lint: toolchain ## check style and types
	@$(ENV) && ruff check && ruff format --check && mypy

bench: toolchain tools ## measure; the last line is one JSON object
	@$(ENV) && python -m bench

bench-server: toolchain ## measure the scoring server beside its peers; the last line is one JSON object
	@$(ENV) && python -m bench.server

fuzz: toolchain ## send the server far more odd requests than make test does (FUZZ=20)
	@$(ENV) && FUZZ=$(FUZZ) python -m pytest $(addprefix tests/scoring/server/test_,fuzz.py parsing.py frames.py)

bench-deploy: toolchain tools ## measure updates, failures, many services and the gateway; the last line is one JSON object
	@$(ENV) && python -m bench.deploy

lock: toolchain ## pin the packages anew: requirements.lock, toolchain/go.lock, the peers'
	@$(ENV) && $(COMPILE) --group dev --constraint toolchain/constraints.txt --output-file requirements.lock pyproject.toml
	@$(ENV) && $(COMPILE) --output-file toolchain/go.lock toolchain/go.in
	@$(ENV) && $(COMPILE) --output-file bench/server/peers.lock bench/server/peers.in
	@$(ENV) && $(COMPILE) --output-file tests/scoring/server/reference.lock tests/scoring/server/reference.in

toolchain: ## find or make what the project needs; then: source .toolchain/env
	@$(TOOLCHAIN)

toolchain-refresh: ## look again for what was out of reach: the vendor's plugin, Docker's base image
	@$(TOOLCHAIN) refresh

clean: ## remove what the toolchain made in this checkout, not the state
	@$(TOOLCHAIN) clean
