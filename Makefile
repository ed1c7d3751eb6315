# Everything a person runs. `make` alone lists it.
PYTHON ?= python3
PORT ?= 8000
SANDBOX_PORT ?= 8001
DATA_DIR ?= .kota-bff
ROUNDS ?= 200
FIRST_ROUND ?= 0
CONVERGENCE_EXAMPLES ?= 500
CONVERGENCE_SEED ?= 1
STORM_EVENTS ?= 20000
FUZZ_CASES ?= 100000
SCHEMA_EXAMPLES ?= 50000
OUTAGE_SECONDS ?= 30

VENV := .venv
BIN := $(VENV)/bin
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
# Rooms in which a missed branch can lose or double somebody's insurance.
CRITICAL := app/sync/*,app/events/*,app/webhooks/*,app/auth/*,app/kota/*,app/queue/*

# Debian's own browser; what looks for things that shut people out; what the guide for frontends is tried with.
CHROMIUM ?= /usr/bin/chromium
E2E_PACKAGES := axe-core@4.14.1 react@18.3.1 react-dom@18.3.1

export PIP_DISABLE_PIP_VERSION_CHECK := 1


.DEFAULT_GOAL := help
.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "kota-bff needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: setup
setup: $(VENV)/.ready ## Set up .venv from the hashed lock

.PHONY: dev
dev: $(VENV)/.ready ## Run everything here: PostgreSQL, migrations, Kota sandbox, API, worker
	@exec $(BIN)/kota-bff dev --port $(PORT) --sandbox-port $(SANDBOX_PORT) --data-dir '$(DATA_DIR)'

.PHONY: test
test: $(VENV)/.ready ## Run the whole suite against its own embedded PostgreSQL
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest $(PYTEST_ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --include='$(CRITICAL)' --fail-under=95

.PHONY: e2e
e2e: $(VENV)/.ready ## The demo in a real Chromium: by clicks, by keyboard, on a phone; screenshots in .e2e/screenshots
	@test -x $(CHROMIUM) || (apt-get update -q && apt-get install -q -y --no-install-recommends chromium fonts-liberation)
	@npm install --silent --no-save --no-package-lock --ignore-scripts --prefix .e2e $(E2E_PACKAGES)
	CHROMIUM=$(CHROMIUM) $(BIN)/pytest tests/e2e -m e2e $(PYTEST_ARGS)

.PHONY: bench
bench: $(VENV)/.ready ## Benchmarks as ratios within one run; BENCH="sessions …" for some of them
	$(BIN)/python -m tests.bench $(BENCH)

.PHONY: soak
soak: $(VENV)/.ready ## The long runs: ROUNDS=200 from FIRST_ROUND=0, CONVERGENCE_EXAMPLES=500, STORM_EVENTS=20000, FUZZ_CASES=100000, SCHEMA_EXAMPLES=50000, OUTAGE_SECONDS=30
	ACCEPTANCE_ROUNDS=$(ROUNDS) ACCEPTANCE_FIRST_ROUND=$(FIRST_ROUND) \
		$(BIN)/python -m pytest -q -s tests/acceptance/test_sync_converges.py
	CONVERGENCE_EXAMPLES=$(CONVERGENCE_EXAMPLES) CONVERGENCE_SEED=$(CONVERGENCE_SEED) \
		$(BIN)/python -m pytest -q tests/integration/sync/test_convergence_machine.py
	STORM_EVENTS=$(STORM_EVENTS) OUTAGE_SECONDS=$(OUTAGE_SECONDS) \
		$(BIN)/python -m pytest -q tests/acceptance/test_storm.py tests/acceptance/test_database_outage.py
	FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest -q tests/integration/webhooks/test_fuzzed_deliveries.py
	SCHEMA_EXAMPLES=$(SCHEMA_EXAMPLES) $(BIN)/python -m pytest -q -s tests/acceptance/test_openapi_holds.py

.PHONY: lint
lint: $(VENV)/.ready ## Format check, lint, types, layers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: format
format: $(VENV)/.ready ## Format and fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: audit
audit: $(VENV)/.ready ## Look for secrets in the repository and known holes in what it installs
	$(BIN)/python -m app.dev.supply.secret_scan
	$(BIN)/python -m app.dev.supply.vulnerabilities

.PHONY: sbom
sbom: $(VENV)/.ready ## Print a bill of materials of what the image installs (CycloneDX)
	@$(BIN)/python -m app.dev.supply.sbom

.PHONY: check
check: lint audit test ## All that a commit must pass

.PHONY: image
image: ## Build the production image kota-bff; ENGINE=docker, podman or buildah
	@engine=$(ENGINE); for name in docker podman buildah; do : "$${engine:=$$(command -v $$name)}"; done; \
	if [ -z "$$engine" ]; then echo "Install docker, podman or buildah, or set ENGINE="; exit 1; fi; \
	"$$engine" build --tag kota-bff .

.PHONY: lock
lock: $(VENV)/.ready ## Renew the hashed requirements from pyproject.toml
	$(UV_COMPILE) pyproject.toml --output-file requirements.txt
	$(UV_COMPILE) pyproject.toml --extra dev --output-file requirements-dev.txt
	echo hatchling | $(UV_COMPILE) - --constraints requirements-dev.txt --output-file requirements-build.txt

.PHONY: http
http: $(VENV)/.ready ## Write docs/kota-bff.http from the OpenAPI document
	$(BIN)/python -m app.dev.http_file docs/kota-bff.http

.PHONY: clean
clean: ## Remove what the commands above made, but for data
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* dist
