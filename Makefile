# The commands of the project. `make` alone lists them. Everything happens in .venv, with the versions of constraints.txt.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
RUN_READY := $(VENV)/.ready-to-run
TEST_READY := $(VENV)/.ready-to-test
NPM_READY := frontend/node_modules/.ready
CLIENTS_READY := tests/clients/node_modules/.ready
TLOG_READER := tests/clients/tlog/reader

# Arguments for pytest: `make test TESTS='-x tests/test_proof_tree.py'`, `make test JOBS=0` for one process.
TESTS ?=
JOBS ?= auto

CORE := src/whodid/errors.py,src/whodid/model.py,src/whodid/canonical.py,src/whodid/sequence/*,src/whodid/intake/*,src/whodid/proof/*,src/whodid/query/*,src/whodid/catalog/*
CHECKED := src sendero scripts tests benchmarks

.PHONY: help
help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

.PHONY: run
run: $(RUN_READY) ## start the example workspace at http://127.0.0.1:8000
	@exec $(BIN)/python -m sendero

.PHONY: test
test: check frontend clients ## run every check and every test
	@$(BIN)/pytest -n $(JOBS) --durations=10 --durations-min=10 --cov --cov-report= $(TESTS)
	@$(MAKE) coverage

.PHONY: check
check: $(TEST_READY) ## lint, formatting, types and the import contract, without tests
	$(BIN)/ruff check $(wildcard $(CHECKED))
	$(BIN)/ruff format --check $(wildcard $(CHECKED))
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: frontend
frontend: ## type-check, test and rebuild the viewer; the committed file must be what was built
	@if command -v npm >/dev/null; then $(MAKE) frontend-with-npm; \
	elif [[ " $${WHODID_REQUIRE:-} " == *" frontend "* ]]; then echo 'Node.js with npm is missing and the front-end part is required. Install Node.js 20 or newer.' >&2; exit 1; \
	else echo 'Node.js with npm is missing: the front-end part is skipped.'; fi

.PHONY: clients
clients: $(TEST_READY) ## install the published clients of other products, which some tests run
	@if ! command -v npm >/dev/null; then \
	if [[ " $${WHODID_REQUIRE:-} " == *" clients "* ]]; then echo 'Node.js with npm is missing and the published clients are required. Install Node.js 20 or newer.' >&2; exit 1; \
	else echo 'Node.js with npm is missing: the tests of published clients are skipped.'; fi; \
	else $(MAKE) $(CLIENTS_READY); fi
	@if command -v go >/dev/null && $(MAKE) $(TLOG_READER); then :; \
	elif [[ " $${WHODID_REQUIRE:-} " == *" go "* ]]; then echo 'The clients in Go are required. Install Go 1.26 or newer, and let it reach a module proxy.' >&2; exit 1; \
	else echo 'Go 1.26 or its modules are missing: the tests of published clients of transparency logs are skipped.'; fi

.PHONY: coverage
coverage: ## report the coverage of the core rooms after `make test`
	@$(BIN)/coverage report --include='$(CORE)' --fail-under=95

.PHONY: format
format: $(TEST_READY) ## format the source and apply the safe fixes
	@$(BIN)/ruff check --fix-only --quiet $(wildcard $(CHECKED))
	@$(BIN)/ruff format $(wildcard $(CHECKED))

.PHONY: reference
reference: $(TEST_READY) ## rewrite the generated pages of docs/reference
	@$(BIN)/python scripts/reference.py

.PHONY: constraints
constraints: $(TEST_READY) ## resolve the newest versions again and write constraints.txt and requirements.lock
	@$(PIP) install --quiet --group lock
	@$(BIN)/python scripts/constraints.py
	@$(BIN)/python scripts/supply.py lock

.PHONY: supply
supply: $(TEST_READY) ## check licences and known vulnerabilities, and write dist/whodid.cdx.json, the bill of materials
	@$(BIN)/python scripts/supply.py licences
	@mkdir -p dist && $(BIN)/python scripts/supply.py sbom dist/whodid.cdx.json
	@$(PIP) install --quiet --group lock
	@$(BIN)/python scripts/supply.py audit

.PHONY: wheel
wheel: $(TEST_READY) ## build the wheel; the same commit gives the same bytes
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m hatchling build --target wheel
	@sha256sum dist/whodid-*.whl

.PHONY: clean
clean: ## remove .venv and everything that was built; data in var/ stays
	@rm -rf $(VENV) frontend/node_modules tests/clients/node_modules $(TLOG_READER) dist build .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# ---------------------------------------------------------------------------------------------------------- set-up

$(RUN_READY): pyproject.toml constraints.txt
	@bash scripts/venv.sh $(VENV)
	@echo 'Installing whodid and the example workspace …'
	@$(PIP) install --quiet --constraint constraints.txt pip
	@$(PIP) install --quiet --constraint constraints.txt --group build
	@$(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable '.[sendero]'
	@touch $@

$(TEST_READY): $(RUN_READY)
	@echo 'Installing what the tests need …'
	@$(PIP) install --quiet --constraint constraints.txt --group dev
	@touch $@

.PHONY: frontend-with-npm
frontend-with-npm: $(NPM_READY)
	cd frontend && npm run --silent check
	cd frontend && npm run --silent test
	@before=$$(mktemp -d) && cp -r src/whodid/viewer/static/. src/whodid/evidence/static/. "$$before" && (cd frontend && npm run --silent build) && \
	after=$$(mktemp -d) && cp -r src/whodid/viewer/static/. src/whodid/evidence/static/. "$$after" && \
	if diff -rq "$$before" "$$after"; then rm -rf "$$before" "$$after"; \
	else rm -rf "$$before" "$$after"; echo 'What is built was stale; it is new now. Commit src/whodid/viewer/static and src/whodid/evidence/static.' >&2; exit 1; fi

$(NPM_READY): frontend/package-lock.json
	@echo 'Installing what the front end needs …'
	@cd frontend && npm ci --no-audit --no-fund --silent
	@touch $@

$(CLIENTS_READY): tests/clients/package-lock.json
	@echo 'Installing the published clients of other products …'
	@cd tests/clients && npm ci --no-audit --no-fund --silent
	@$(PIP) install --quiet --upgrade --target $(VENV)/clients/workos5 'workos==5.46.0'
	@touch $@

$(TLOG_READER): tests/clients/tlog/main.go tests/clients/tlog/go.sum
	@echo 'Building the published clients of transparency logs …'
	@cd tests/clients/tlog && go build -o reader .
