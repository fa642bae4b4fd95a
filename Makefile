# Everything runs from .venv; nothing else on the machine is touched. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
BROKERS ?= 1
BIN := .venv/bin
STAMP := .venv/.ordermesh
# Folders in which every test starts servers.
SERVERS := bench clients cli/pipeline cluster dashboard e2e envoy observe qualify soak
# More than there are cores: tests mostly wait for servers. tests/conftest.py keeps those that share servers together.
PARALLEL := -n 4 --dist loadscope --durations 10
# A stack is a dozen Python programs: compiled once and not at each start, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=
# Without the notice about the end of the theme's life: docs/decisions/0020-documentation-site.md.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
UV_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-fast test-more test-faults test-long logs-test faults coverage qualify clients-test dashboard-test schemathesis h2spec simulate fuzz bench soak bench-check grafana-pictures compose-test kubernetes-test observe-test lint scan scan-chart sbom docs gen lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

setup: $(STAMP) ## make .venv with everything in it, and fetch what the local servers need

$(STAMP): requirements.lock pyproject.toml gen/pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "this Python cannot make environments: install python3-venv"; exit 1; }
	@echo "1/3 environment in .venv"
	@$(PYTHON) -m venv .venv
	@echo "2/3 packages (about 250 MB, half a minute on a fast line)"
	@$(BIN)/pip install --disable-pip-version-check --progress-bar off --require-hashes -r requirements.lock \
		| sed -u -n -E 's/^ *Downloading ([^ ]*) (\(.*\))/  \1 \2/p; s/^Installing collected.*/  installing/p'
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps -e gen -e .
	@echo "3/3 Apache Kafka and Swagger UI"
	@$(BIN)/ordermesh fetch
	@touch $@

demo: setup ## start everything, load it, watch it, prove that nothing was lost, stop
	@$(BIN)/ordermesh demo

up: setup ## start everything and stay (Ctrl-C stops)
	@$(BIN)/ordermesh up

test: setup ## each capability on one healthy platform of real servers, and the rules of each package
	@$(BIN)/pytest -q $(PARALLEL) -m "not more and not long"

test-fast: setup ## the tests that start no server, without the simulation, in 20 seconds
	@$(BIN)/pytest -q -n 4 --dist loadscope -m "not servers and not more and not long" $(SERVERS:%=--ignore=tests/%) --ignore=tests/simulation

coverage: setup ## which lines `make test` runs, in all processes (measuring costs half as much again)
	@mkdir -p .coverage && rm -f .coverage/data*
	@$(BIN)/coverage run -m pytest -q $(PARALLEL) -m "not more and not long"
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report

test-more: setup ## faults, restarts, attacks by other accounts, other modes (TLS, JWT, own servers, a cluster), client packages, guides
	@$(BIN)/pytest -q $(PARALLEL) -m "more and not long"

test-faults: setup ## a selection of `make faults`, in four minutes
	@$(BIN)/python -m faults --selection

test-long: setup ## the long forms of what both show in short
	@$(BIN)/pytest -q $(PARALLEL) -m long

logs-test: setup ## ship the logs of a stack with the real rsyslog into the real OpenSearch (both come at the first run)
	@$(BIN)/pytest -q tests/logs tests/cli/local/test_observed_logs.py -m long --durations 10

faults: setup ## every fault of the table under load, or F=F12; BROKERS=3, BRIEF=--brief (about an hour in full)
	@$(BIN)/python -m faults $(F) --brokers $(BROKERS) $(BRIEF)

qualify: setup ## what the fast lane must hold, in full (about a quarter of an hour)
	QUALIFY=full $(BIN)/pytest -q tests/qualify --timeout 1800

clients-test: setup ## grpcurl, ghz, Node and a page in Chromium against stacks of their own (needs Go, Node, Chromium)
	@tests/clients/all.sh

dashboard-test: setup ## drive the dashboard and pages of other sites in Chromium; the pictures stay in DASHBOARD_PICTURES
	CHROMIUM=$$(command -v chromium || { echo "chromium is missing: install it with the system's package manager" >&2; exit 1; }) \
		$(BIN)/pytest -q tests/dashboard tests/security/test_browser.py

schemathesis: setup ## call everything in the OpenAPI document through Envoy, at random, with and without a key
	$(BIN)/python tests/contract/rest_fuzz.py

h2spec: setup ## HTTP/2 conformance of the front proxy beside a plain Envoy (needs scripts/install-tools; about two minutes)
	@$(BIN)/python tests/envoy/h2spec.py

simulate: setup ## the platform's programs on a simulated machine with faults, 10,000,000 steps (about ten minutes on two cores)
	@PYTHONPATH=tests/support $(BIN)/python tests/simulation/explore.py $(SIMULATE)

fuzz: setup ## atheris on what reads bytes: FUZZ_RUNS inputs for each target (about two minutes)
	@tests/fuzz/run.sh $${FUZZ_RUNS:-200000}

bench: setup ## measure everything beside a bare pipeline; results and pictures in bench/results/
	$(BIN)/python -m bench

soak: setup ## days in minutes: a platform whose clock goes from midnight to midnight under load (about an hour)
	$(BIN)/python -m bench.soak $(SOAK)

bench-check: setup ## compare the cost of each stage with the committed baseline (a report)
	$(BIN)/python -m bench --check --name check

grafana-pictures: setup ## draw the Grafana dashboards for docs/images, from a platform under load (five minutes)
	@GRAFANA_PICTURES=docs/images $(BIN)/pytest -q tests/observe/test_dashboard_queries.py

compose-test: setup ## build the image and run docker-compose.yml with podman (needs root; see tests/compose/run.sh)
	tests/compose/run.sh

kubernetes-test: setup ## the chart on a real Kubernetes of two nodes, under load (needs root; the first run builds it, long)
	@PYTHONPATH=tests/kubernetes $(BIN)/python -m prepare
	@$(BIN)/pytest -v tests/kubernetes/live --durations 0

observe-test: setup ## real collectors, stores and a Prometheus take what the platform tells of itself; the runbook is followed (an hour; scripts/install-tools otelcol)
	@$(BIN)/pytest -q -m long tests/observe tests/alerts tests/runbook tests/cli/local/test_observe.py

lint: setup ## check style, types, imports, contracts, and Envoy's configuration
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python clients/python/generate_client.py --check
	MYPYPATH=clients/python $(BIN)/mypy --strict clients/python scripts/ghz_load.py
	$(BIN)/lint-imports
	$(BIN)/python proto/generate.py --check
	$(BIN)/python proto/generate.py --image .venv/contracts.binpb
	$(BIN)/buf lint .venv/contracts.binpb --config proto/buf.yaml --path ordermesh
	$(BIN)/buf breaking gen/ordermesh/descriptor.binpb --against proto/baseline.binpb --config proto/buf.yaml
	$(BIN)/python -m frontdoor --check
	$(BIN)/ordermesh settings --names | diff runtime/setting_names.txt - \
		|| { echo "stale: $(BIN)/ordermesh settings --names > runtime/setting_names.txt"; exit 1; }
	$(BIN)/python docs/generate.py --check
	$(BIN)/python deploy/grafana/generate.py --check
	$(BIN)/python deploy/prometheus/generate.py --check
	$(BIN)/python deploy/helm/generate.py --check
	$(MKDOCS)

docs: setup ## build the documentation site into build/site, with every link and anchor checked
	$(MKDOCS)
	@echo "open build/site/index.html; with search: $(BIN)/python -m http.server -d build/site 8000"

scan: setup ## bandit, semgrep with our own rules, hadolint, checkov and kube-score on the chart; trivy where it is installed (the tools come at the first run)
	@$(BIN)/python scripts/make_scan.py

scan-chart: setup ## the part of `make scan` that checks the chart: checkov and kube-score
	@$(BIN)/python scripts/make_scan.py chart

sbom: setup ## bills of materials (CycloneDX) of the image, of one machine and of the containers, in build/sbom
	@$(BIN)/python scripts/make_sbom.py build/sbom

gen: setup ## generate gen/ from proto/, the blocking Python client, the reference pages of docs/, and the dashboards
	$(BIN)/python proto/generate.py
	$(BIN)/python clients/python/generate_client.py
	$(BIN)/python docs/generate.py
	$(BIN)/python deploy/grafana/generate.py
	$(BIN)/python deploy/prometheus/generate.py
	$(BIN)/python deploy/logs/generate.py
	$(BIN)/python deploy/helm/generate.py

lock: ## resolve pyproject.toml again: everything into requirements.lock, the image's part into deploy/image/
	$(BIN)/pip install --quiet uv
	grep -v '"ordermesh-contracts",' pyproject.toml > .venv/pyproject.toml
	cd .venv && bin/uv pip compile $(UV_FLAGS) --all-extras pyproject.toml -o ../requirements.lock
	sed -n '/^dependencies = \[/,/^\]/s/^ *"\(.*\)",$$/\1/p' pyproject.toml | grep -v ordermesh-contracts > .venv/core.in
	printf '%s\n' 'hatchling>=1.27' 'jgo>=3.2,<4' > .venv/build.in
	for part in core build; do \
		$(BIN)/uv pip compile $(UV_FLAGS) --no-annotate -c requirements.lock .venv/$$part.in -o deploy/image/$$part.lock; done

clean: ## remove .venv and caches; the state of stacks stays
	rm -rf .venv build/site .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .import_linter_cache
