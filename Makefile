# Every target sets up what it needs. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ORACLE := tests/oracle/node_modules/.ready
AUDITOR := tests/accessibility/node_modules/.ready
UV := 0.13.9
# A command is a process, and the tests begin hundreds: none of them compiles the sources anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo scale-demo test check lint types layers unit bench format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(READY) ## make .venv ready (seconds when nothing changed)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "govlift needs Python 3.11 or newer; run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps -e .
	@touch $@

demo: setup ## migrate the sample customer between two local clouds; report in build/demo
	@$(BIN)/govlift demo --dir build/demo

scale-demo: setup ## one migration on several workers with PostgreSQL and Prefect; one is killed, one joins
	@$(BIN)/python -m flows.scaledemo build/scale-demo

# A third of the tests' time is spent waiting for other processes, so three workers keep two cores busy.
test: setup $(ORACLE) $(AUDITOR) ## every test, with Azurite as the oracle and the report in Chromium
	@$(BIN)/python -m pytest -n 3 tests

check: setup ## format, lint, strict types, layers, the quicker tests; under a minute on two cores
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint layers types unit

lint:
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .

types:
	@$(BIN)/mypy --no-error-summary

layers:
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

unit:
	@$(BIN)/python -m pytest -q -n 2 -m "not slow and not sandbox and not azurite and not prefect" tests/unit tests/ledger tests/copiers tests/reports

CASES ?= all
PARTLY = $(QUICK)$(filter-out all,$(CASES))
bench: setup $(ORACLE) ## govlift beside AzCopy and rclone (over an hour; minutes: make bench CASES=small QUICK=1)
	@$(BIN)/python -m benchmarks.copying --cases "$(CASES)" $(if $(QUICK),--repeats 1) $(if $(PARTLY),,--write)
	@$(if $(PARTLY),,$(BIN)/python -m benchmarks.torn --write)

format: setup ## rewrite the sources in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: setup ## resolve the dependencies anew
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --group dev --upgrade pyproject.toml -o requirements.lock

# Azurite and the Node that it needs, both from npm and locked; a system Node of any age only has to run npm.
$(ORACLE): tests/oracle/package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund --prefix tests/oracle && touch $@; \
	else echo "npm is missing: the Azurite half of the conformance suite will be skipped by name"; fi

# axe-core and a Chromium for machines without one; a system Chromium is used where there is one.
$(AUDITOR): tests/accessibility/package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund --prefix tests/accessibility && touch $@; \
	else echo "npm is missing: the audit of the report page will be skipped by name"; fi

clean: ## remove everything that was built
	rm -rf build $(VENV) tests/oracle/node_modules tests/accessibility/node_modules .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
