# Everything starts here: `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: help install demo test check bench bench-replan bench-ingest soak fuzz train proto contracts publish fmt lock clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SERVICES := common ingest features forecast replan gate writeback board twin cli
MEMBERS := $(foreach service,$(SERVICES),services/$(service))
SOURCES := $(MEMBERS) tests proto
ARGS ?=
# The newest Python that the project supports, unless PYTHON names one.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)

help:  ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22
	@echo '  ARGS="..." is handed on: make demo ARGS="--headless --speed 120 --until applied"'

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Expected Python 3.11, 3.12 or 3.13, got none of them on the path."; \
		echo "Maybe install one, or name it: make demo PYTHON=/path/to/python3.12"; exit 2; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { echo "Maybe the venv module is missing (Debian: apt install python3-venv)."; exit 2; }

$(STAMP): requirements/uv.txt requirements/run.txt requirements/dev.txt $(MEMBERS:%=%/pyproject.toml) | $(BIN)/python
	@echo "Installing what $(VENV) needs, by hash (once; about a minute)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/run.txt -r requirements/dev.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps $(MEMBERS:%=-e %)
	@$(BIN)/python -m orloop_replan.warm || echo "Maybe compiling failed: the planner does it at its first start then."
	@touch $@

install: $(STAMP)  ## Install everything into .venv, hash-pinned

demo: $(STAMP)  ## Play a day of a ten-room suite on the whole mesh
	@$(BIN)/orloop demo $(ARGS)

test: $(STAMP)  ## Run all tests
	@$(BIN)/python -m pytest $(ARGS)

check: $(STAMP)  ## Format, lint, types, imports, proto
	@echo "format"; $(BIN)/ruff format --check -q $(SOURCES) || { echo "Maybe run: make fmt"; exit 1; }
	@echo "lint"; $(BIN)/ruff check -q $(SOURCES)
	@echo "types"; $(BIN)/mypy $(MEMBERS:%=%/src) --no-error-summary
	@echo "imports"; PYTHONWARNINGS=ignore $(BIN)/lint-imports --no-logo 2>/dev/null >$(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	@echo "proto"; $(BIN)/python proto/generate.py --check

bench: $(STAMP)  ## Measure: trigger to proposal, HL7 to log, memory, time to ready
	@$(BIN)/python -m orloop_cli.bench $(ARGS)

$(VENV)/peers/.installed: requirements/peers.txt $(STAMP)
	@echo "Installing what the planner is measured against into $(VENV)/peers"
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes --target $(VENV)/peers -r requirements/peers.txt
	@touch $@

bench-replan: $(VENV)/peers/.installed  ## Measure the planner against right-shift, a coordinator and CP-SAT
	@$(BIN)/python -m orloop_replan.bench $(ARGS)

bench-ingest: $(STAMP)  ## Measure the door in against HAPI and python-hl7 (ARGS="--quick")
	@PYTHONPATH=tests/support $(BIN)/python -m ingest_proof.bench $(ARGS)

soak: $(STAMP)  ## 100,000 messages while ingest is killed again and again: nothing lost, nothing doubled
	@PYTHONPATH=tests/support $(BIN)/python -m ingest_proof.soak $(ARGS)

fuzz: $(STAMP)  ## Ten minutes of broken bytes for framing, tokens, header, reading and settling
	@PYTHONPATH=tests/support $(BIN)/python -m ingest_proof.fuzz $(ARGS)

train: $(STAMP)  ## Train the shipped forecast bundle again
	@$(BIN)/python -m orloop_forecast.train $(ARGS)

proto: $(STAMP)  ## Generate the gRPC code in services/common from proto/
	@$(BIN)/python proto/generate.py

contracts: $(STAMP)  ## Render schemas and the metrics register from the code, then check all contracts
	@$(BIN)/python -m orloop_common.messages.schemas contracts/schemas
	@$(BIN)/python tests/support/declared_metrics.py
	@$(BIN)/python -m pytest -q -m contract $(ARGS)

publish: $(STAMP)  ## Freeze the schemas and gRPC contracts as they are; refuses a breaking change
	@$(BIN)/python tests/support/publish.py

fmt: $(STAMP)  ## Format the code
	@$(BIN)/ruff format -q $(SOURCES)
	@$(BIN)/ruff check -q --fix $(SOURCES)

lock: | $(BIN)/python  ## Resolve all dependencies anew and export them, hash-pinned, without hosts or paths
	@$(BIN)/python requirements/refresh.py
	@rm -f $(STAMP)

clean:  ## Remove what was built and what demos left, but not the cache in the home directory
	@rm -rf $(VENV) .orloop .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis uv.lock
	@find services tests -name __pycache__ -type d -prune -exec rm -rf {} +
