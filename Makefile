# Every target sets up what it needs; a second run starts in seconds.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

# Settings of your own, as .env.example shows them.
-include .env
export

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1

.DEFAULT_GOAL := help
.PHONY: help run live test check format lint types web contract coverage bench lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run ## a gateway that talks, on http://127.0.0.1:8080 (no key needed)
	@$(BIN)/livegate serve $(ARGS)

live: $(VENV)/.run ## the local Live server by itself
	@$(BIN)/livegate live $(ARGS)

test: check $(VENV)/.system ## everything: format, lint, types, tests, browsers
	@PYTHONASYNCIODEBUG=1 $(BIN)/python -m pytest $(ARGS)

check: lint types web ## format, lint and types, Python and JavaScript; changes nothing

format: $(VENV)/.dev node_modules/.stamp ## rewrite the source in the house format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .
	@npx biome check --write web tests/web

lint: $(VENV)/.dev
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(VENV)/.dev
	@$(BIN)/mypy

web: node_modules/.stamp
	@npx biome check web tests/web && npx tsc -p web/tsconfig.json
	@node --test tests/web/*.test.js > $(VENV)/web-tests.log || { cat $(VENV)/web-tests.log; exit 1; }
	@tail -n 9 $(VENV)/web-tests.log | head -n 3

contract: $(VENV)/.dev ## the Live contract against the real service (needs a key)
	@$(BIN)/python -m pytest tests/contract --real-service -s $(ARGS)

coverage: $(VENV)/.dev $(VENV)/.system ## branches covered by the tests
	@$(BIN)/python -m coverage run -m pytest $(ARGS) && $(BIN)/python -m coverage report

bench: $(VENV)/.dev ## list the benchmarks
	@$(BIN)/python -m bench $(ARGS)

lock: ## pin every version again (needs uv)
	@for name in run dev; do \
	  groups="--group build"; [ $$name = dev ] && groups="$$groups --group test --group check"; \
	  uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --upgrade --extra local $$groups pyproject.toml -o requirements/$$name.txt; \
	done

clean: ## remove everything that was set up or built
	rm -rf $(VENV) node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "livegate needs Python 3.11 or newer; try: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/pip
	@echo "livegate: installing Python packages into $(VENV) (once)"
	@test -e $(VENV)/.dev || $(BIN)/pip install -q --require-hashes --only-binary :all: -r requirements/run.txt
	@$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/pip
	@echo "livegate: installing Python packages for the tests into $(VENV) (once)"
	@$(BIN)/pip install -q --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

$(VENV)/.system: tests/support/system.sh | $(VENV)/bin/pip
	@sh tests/support/system.sh
	@touch $@

node_modules/.stamp: package.json package-lock.json tests/support/system.sh | $(VENV)/bin/pip
	@sh tests/support/system.sh node npm
	@npm install --no-save --silent --no-audit --no-fund
	@touch $@
