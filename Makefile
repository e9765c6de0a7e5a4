# Everything runs from .venv, which is made on first use and again when a pyproject.toml changes.
# ARGS passes arguments on: make demo ARGS="--once --fast", make test ARGS="-k decode", make bench ARGS=--quick

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_BENCH := $(VENV)/.installed-bench
INSTALLED_SUPPLY := $(VENV)/.installed-supply
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# A file's tests stay in one process, for what they share. More than four would hold more memory than they save time.
PYTEST_ON_EVERY_CORE := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo stack run test test-unit test-faults test-nightly test-month check check-style check-types check-prometheus check-dashboards check-docs docs format bench bench-detection bench-peers bench-check lock audit sbom dashboards-picture clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## install, start the exporter with the built-in demonstration, say which pages to open
	@$(BIN)/embedding-drift-exporter demo $(ARGS)

stack: $(INSTALLED) ## the demonstration with Prometheus and Alertmanager where they are installed: pages are told in the terminal
	@$(BIN)/python -m prometheus.stack $(ARGS)

run: $(INSTALLED) ## install and start the exporter on 127.0.0.1:10877
	@$(BIN)/embedding-drift-exporter serve $(ARGS)

test: $(INSTALLED) ## install and run the suite, a process for each core; ARGS="-n 0 -k decode" a part in one process
	@$(PYTEST_ON_EVERY_CORE) $(ARGS)

test-unit: $(INSTALLED) ## the part of it that starts no process and plays no hours of traffic: some 150 s of CPU
	@$(PYTEST_ON_EVERY_CORE) -m unit $(ARGS)

test-faults: $(INSTALLED) ## kills, damaged files, full disks, overload: minutes
	@$(PYTEST_ON_EVERY_CORE) -m "faults and not nightly" $(ARGS)

test-nightly: $(INSTALLED) ## the long versions of the same: hours
	@$(BIN)/python -m pytest -m nightly $(ARGS)

check: check-style check-types check-prometheus check-dashboards check-docs ## format, lint, types, Prometheus' files, dashboards, generated pages

check-style: $(INSTALLED) ## ruff: format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

check-types: $(INSTALLED) ## mypy --strict
	$(BIN)/mypy

check-prometheus: $(INSTALLED) ## promtool and amtool: configurations, rules and their tests, and that the rules are those of their tables
	@command -v promtool >/dev/null || { echo "promtool is missing: install the Debian package prometheus" >&2; exit 1; }
	@command -v amtool >/dev/null || { echo "amtool is missing: install the Debian package prometheus-alertmanager" >&2; exit 1; }
	$(BIN)/python -m prometheus.build --check
	promtool check config prometheus/prometheus.yml
	promtool check rules --lint=all --lint-fatal prometheus/rules/*.yml
	cd prometheus/tests && ls *.yml | xargs -P "$$(nproc)" -n 1 promtool test rules
	amtool check-config prometheus/alertmanager.yml

check-dashboards: $(INSTALLED) ## the rules of grafana/dashboard-linter, and that Grafana's types read each board
	@$(BIN)/python -m pytest -q tests/test_dashboards.py tests/test_dashboards_types.py

check-docs: $(INSTALLED) ## the generated pages are what their tables say
	@$(BIN)/python -m app.metrics | diff docs/metrics.md - \
		|| { echo "docs/metrics.md is not in step with app/metrics: make docs" >&2; exit 1; }
	@$(BIN)/python -m app.config.reference | diff docs/configuration.md - \
		|| { echo "docs/configuration.md is not in step with app/config: make docs" >&2; exit 1; }
	@$(BIN)/python -m grafana.build --check
	@echo "docs/metrics.md, docs/configuration.md and grafana/dashboards are in step"

docs: $(INSTALLED) ## write the generated pages, rules and dashboards
	@# Beside the page first: a failure must not leave an empty one.
	$(BIN)/python -m app.metrics >$(VENV)/page && mv $(VENV)/page docs/metrics.md
	$(BIN)/python -m app.config.reference >$(VENV)/page && mv $(VENV)/page docs/configuration.md
	$(BIN)/python -m prometheus.build
	$(BIN)/python -m grafana.build

format: $(INSTALLED) ## format the code, mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED_BENCH) ## measure speed and memory beside reference servers; fails if a promise is not held
	@$(BIN)/python -m bench $(ARGS)

bench-detection: $(INSTALLED_BENCH) ## measure false alarms and power: ARGS="--data DIRECTORY" for .npz files of your own
	@$(BIN)/python -m bench.detection $(ARGS)

bench-peers: $(INSTALLED_BENCH) ## install whylogs, Evidently, alibi-detect, river and do the same work in turns; 3 GB
	@$(BIN)/python -m bench.peers $(ARGS)

bench-check: $(INSTALLED) ## fail where a piece of work became slower by a fifth, by the ratios in bench/guard.json
	@$(BIN)/python -m bench.guard $(ARGS)

# Of every platform and Python that the project supports, so that one file serves images and virtual environments.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" \
	--default-index https://pypi.org/simple --no-emit-index-url

lock: $(INSTALLED_SUPPLY) ## pin what the image is made of, with hashes; ARGS=--upgrade for newer versions
	@$(LOCK) $(ARGS) pyproject.toml --output-file requirements.lock
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(LOCK) $(ARGS) - --output-file requirements-build.lock

audit: $(INSTALLED_SUPPLY) ## look up what the image is made of in the database of vulnerabilities; fails where it cannot
	@$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes -r requirements.lock -r requirements-build.lock \
		|| { echo "not audited, or something was found: see above" >&2; exit 1; }

sbom: $(INSTALLED_SUPPLY) ## write the bill of materials of the image, dist/sbom.cdx.json (CycloneDX)
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o dist/sbom.cdx.json requirements.lock

dashboards-picture: $(INSTALLED) ## draw the dashboards from the demonstration, twelve minutes: docs/images; wants Node.js, Chromium, Prometheus
	@test -d grafana/picture/node_modules || (cd grafana/picture && npm ci --legacy-peer-deps --no-audit --no-fund)
	@$(BIN)/python -m grafana.picture $(ARGS)

test-month: $(INSTALLED) ## thirty simulated days judged by the shipped rules in a real Prometheus: an hour; ARGS=--quick two minutes
	@$(BIN)/python -m bench.month $(ARGS)

clean: ## remove .venv, caches and what builds leave
	rm -rf $(VENV) .venv-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build bench/out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, as $(PYTHON) or another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "no virtual environment could be made; on Debian and Ubuntu install the package python3-venv" >&2; exit 1; }

$(INSTALLED): pyproject.toml client/pyproject.toml $(BIN)/python
	@echo "installing into $(VENV); this happens once"
	@$(PIP) install -e '.[demo,test]' -e client
	@touch $@

$(INSTALLED_BENCH): $(INSTALLED)
	@$(PIP) install -e '.[bench,demo,test]' -e client
	@touch $@

$(INSTALLED_SUPPLY): $(INSTALLED)
	@$(PIP) install -e '.[supply,test]' -e client
	@touch $@
