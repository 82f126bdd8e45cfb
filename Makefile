# `make` alone prints this help. PYTHON=python3.12 chooses another interpreter for the environment.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
# The lower bound that pyproject.toml promises, so that the two cannot drift apart.
AIOHTTP_LOWEST = $(shell sed -n 's/.*"aiohttp>=\([0-9.]*\).*/\1/p' pyproject.toml)
# Libraries of aiohttp's authors: an old aiohttp may refuse their newest releases, so pip chooses.
AIOHTTP_FAMILY := aiosignal|frozenlist|multidict|propcache|yarl
# Not the extra dev: the operator's kubernetes asks for a newer aiohttp than the data plane does.
LOWEST_TOOLS := pytest hypothesis joserfc websockets

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-lowest e2e e2e-node check fuzz bench clean

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.setup-dev ## Make .venv with everything that developing needs

demo: $(VENV)/.setup-run ## Start a gateway with an echo upstream and show what it does
	$(BIN)/python -m wsgate_cli demo

test: $(VENV)/.setup-dev ## Run the tests
	$(BIN)/python -m pytest

test-lowest: $(LOWEST)/.setup ## Run relay and handshake tests with the lowest aiohttp that is promised
	$(LOWEST)/bin/python -m pytest tests/dataplane/relay tests/dataplane/handshake

e2e: $(VENV)/.setup-dev ## Run the whole gateway among real servers and clients; fetches and builds them once (20 minutes)
	$(BIN)/python -m pytest e2e

e2e-node: $(VENV)/.setup-dev ## Run the images on a real node of this machine (root; changes nothing for good)
	bash e2e/node/run.sh

check: $(VENV)/.setup-dev ## Lint, types, import contracts, generated files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy docs/generate.py
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	@$(BIN)/python -c "$$CRDS_CHECK"

FUZZ_SECONDS ?= 60

fuzz: $(VENV)/.setup-dev ## Fuzz frame scanner and MQTT, guided by coverage, for FUZZ_SECONDS each
	$(BIN)/python -m pip install --quiet atheris
	$(BIN)/python -m tests.fuzz.scanner -max_total_time=$(FUZZ_SECONDS) -max_len=4096
	$(BIN)/python -m tests.fuzz.mqtt -max_total_time=$(FUZZ_SECONDS) -max_len=4096

BENCH_JSON ?=

bench: $(VENV)/.setup-dev ## Compare wsgate with other proxies on this machine (35 minutes); BENCH_JSON=FILE keeps the run
	bash e2e/toolchain/build.sh haproxy
	PYTHONPATH=benchmarks $(BIN)/python -m wsgate_bench $(if $(BENCH_JSON),--json $(BENCH_JSON))
	PYTHONPATH=benchmarks:. $(BIN)/python -m wsgate_bench.token_cache
	bash e2e/toolchain/build.sh
	PYTHONPATH=benchmarks:. $(BIN)/python -m wsgate_bench.cluster

clean: ## Remove caches, builds and .venv-lowest; .venv stays
	rm -rf $(LOWEST) dist .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find cli dataplane operator tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

define CRDS_CHECK
import pathlib, sys
from wsgate_operator.resources.crd import generated_files
stale = [n for n, text in generated_files().items() if not (p := pathlib.Path(n)).exists() or p.read_text() != text]
sys.exit(f"not up to date: {', '.join(stale)}; run: python -m wsgate_operator.resources.crd" if stale else 0)
endef
export CRDS_CHECK

# A failed attempt leaves no stamp, so the next make tries again.
$(VENV)/.setup-run: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e . -c constraints.txt
	@touch $@

$(VENV)/.setup-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[dev]' -c constraints.txt
	@touch $@ $(VENV)/.setup-run

$(LOWEST)/.setup: pyproject.toml constraints.txt | $(LOWEST)/bin/python
	@echo '*' > $(LOWEST)/.gitignore
	sed -E -e 's/^aiohttp==.*/aiohttp==$(AIOHTTP_LOWEST)/' -e '/^($(AIOHTTP_FAMILY))==/d' constraints.txt > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet -e . $(LOWEST_TOOLS) -c $(LOWEST)/constraints.txt
	@touch $@

$(BIN)/python $(LOWEST)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON): install Python 3.11 or newer, or name it: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is $$($(PYTHON) -V), 3.11 or newer is needed: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make environments: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(patsubst %/bin/python,%,$@)
