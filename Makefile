# The front door of PrecisionPulse. Everything is installed into .venv from requirements.lock; a second run is instant.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# A stack is some twenty processes: without kept bytecode each compiles all it imports anew, 2.4 s of a core.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
UV_VERSION := 0.13.9
MEMBERS := libs/contracts libs/chassis services/ingest services/identity services/gateway services/sync services/commands \
	services/alerts clients/desktop/agent clients/desktop/ui clients/simulator deploy/local bench chaos
SOURCES := $(addsuffix /src,$(MEMBERS))
empty :=
space := $(empty) $(empty)

.PHONY: help
help: ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## The whole product on this machine, fed with its own readings; Ctrl-C stops it
	@exec $(BIN)/pulse demo

.PHONY: test
test: build ## Install what is missing and run every test
	@clients/dashboard/scripts/install_chromium.sh
	@deploy/observability/install_prometheus.sh
	@BIN=$(BIN) .ci/run_tests.sh

.PHONY: check-upgrade
check-upgrade: $(VENV)/.members mosquitto ## The tests of the previous release (PREVIOUS=…) against today's migrations; minutes
	@$(BIN)/python .ci/check_upgrade.py "$(PREVIOUS)" $(TESTS)

.PHONY: test-fast
test-fast: build ## Only the tests that need no server: seconds
	@$(BIN)/pytest -q -m "not slow" --ignore-glob='*/integration/*' --ignore-glob='*/e2e/*'

.PHONY: check
check: build lint types imports check-lock check-generated check-secrets check-deploy check-dashboard ## What CI runs before the tests

.PHONY: lint
lint: $(VENV)/.members
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

.PHONY: types
types: $(VENV)/.members
	@MYPYPATH=$(subst $(space),:,$(SOURCES)) $(BIN)/mypy $(SOURCES) docs/scripts/*.py

.PHONY: imports
imports: $(VENV)/.members
	@$(BIN)/lint-imports

.PHONY: check-lock
check-lock: $(VENV)/.members
	@$(BIN)/python .ci/check_lock.py

.PHONY: check-generated
check-generated: $(VENV)/.members
	@$(BIN)/python -m pulse_contracts.export --check
	@$(BIN)/python -m pulse_gateway asyncapi --check
	@$(BIN)/python clients/dashboard/scripts/export_openapi.py --check
	@clients/dashboard/scripts/node.sh --optional node scripts/generate.mjs --check

.PHONY: generate
generate: $(VENV)/.members dashboard ## Write the files made from code: JSON Schemas, asyncapi.json, API types
	@$(BIN)/python -m pulse_contracts.export
	@$(BIN)/python -m pulse_gateway asyncapi
	@$(BIN)/python clients/dashboard/scripts/export_openapi.py
	@$(BIN)/python deploy/observability/make_dashboards.py
	@clients/dashboard/scripts/node.sh node scripts/generate.mjs

.PHONY: check-secrets
check-secrets: $(VENV)/.members
	@$(BIN)/python .ci/check_secrets.py

.PHONY: check-deploy
check-deploy: $(VENV)/.members ## Check compose.yaml and the Dockerfiles; needs no container engine
	@$(BIN)/docker-compose --profile '*' config -q
	@PULSE_PUBLIC_HOST=pulse.example.org PULSE_ACME_EMAIL=operator@example.org \
		$(BIN)/docker-compose -f compose.yaml -f compose.tls.yaml --profile '*' config -q
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	@$(BIN)/hadolint deploy/docker/Dockerfile deploy/docker/dashboard.Dockerfile
	@$(BIN)/pytest -q deploy/docker/tests

.PHONY: docs
docs: $(VENV)/.members ## Build the documentation into site/, every link checked
	@docs/scripts/build.sh site

.PHONY: check-docs
check: check-docs
check-docs: $(VENV)/.members ## Every link and anchor of the pages
	@directory=$$(mktemp -d) && trap 'rm -rf "$$directory"' EXIT && docs/scripts/build.sh "$$directory/site"

.PHONY: check-migrations
check: check-migrations
check-migrations: $(VENV)/.members
	@$(BIN)/python .ci/check_migrations.py

.PHONY: check-workflows
check: check-workflows
check-workflows: $(VENV)/.members
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@$(BIN)/python .ci/check_workflows.py

.PHONY: chart
chart: $(VENV)/.members ## Pack the Helm chart into dist
	@mkdir -p dist && "$$(deploy/k8s/scripts/get_helm.sh)" package deploy/k8s/precisionpulse --destination dist

.PHONY: sbom
sbom: $(VENV)/.members ## Write what the product is made of into dist (CycloneDX)
	@$(BIN)/python .ci/make_sbom.py

.PHONY: publish-images
publish-images:
	@.ci/publish_images.sh

.PHONY: sign
sign:
	@.ci/sign.sh

.PHONY: publish-release
publish-release:
	@.ci/publish_release.sh

.PHONY: images
images: ## Build the container images of compose.yaml with Docker, Podman or Buildah
	@deploy/docker/build_images.sh

.PHONY: desktop
desktop: $(VENV)/.members ## Package the desktop client for this system into dist/desktop: a folder with .deb, Windows installer or macOS image
	@$(BIN)/python clients/desktop/packaging/package.py

.PHONY: check-desktop
check-desktop: $(VENV)/.members ## Package it, install that into a scratch root, run its self-test there as somebody new, remove it (root, Xvfb)
	@$(BIN)/python clients/desktop/packaging/package.py --check

.PHONY: release-manifest
release-manifest: $(VENV)/.members ## Sign what is in dist/desktop as the release that a gateway offers (PULSE_RELEASE_KEY)
	@if [ -n "$${PULSE_RELEASE_KEY:-}" ]; then $(BIN)/pulse releases sign dist/desktop --changelog CHANGELOG.md; \
		else echo "PULSE_RELEASE_KEY is not given: no manifest is made, and no agent is offered this release"; fi

.PHONY: rehearsal
rehearsal: build ## Build the images and run compose.yaml from them without Docker or a registry (Debian 12, root); minutes
	@deploy/docker/rehearsal/rehearse.sh

.PHONY: recording
recording: build ## Record the demo flow from the real stack into docs/screens/demo-flow.webm
	@clients/dashboard/scripts/install_chromium.sh
	@docs/scripts/install_ffmpeg.sh
	@$(BIN)/pytest -q -s tests/e2e/record_demo_flow.py

.PHONY: check-fresh
check-fresh: build ## Follow the first pages word by word on a fresh Debian 12 (root, mmdebstrap, slirp4netns); minutes
	@$(BIN)/python -m docs.tests.fresh.check --tests

.PHONY: format
format: $(VENV)/.members ## Format and mend what can be mended by itself
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: lock
lock: $(VENV)/.tools ## Bring requirements.lock up to date with the projects
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--no-annotate --no-emit-package precisionpulse \
		$$(sed -n 's/^name = "\(.*\)"/--no-emit-package \1/p' $(addsuffix /pyproject.toml,$(MEMBERS))) \
		--group dev --group docs --group packaging pyproject.toml \
		libs/*/pyproject.toml --extra service --extra sealed services/*/pyproject.toml \
		clients/desktop/*/pyproject.toml clients/simulator/pyproject.toml deploy/local/pyproject.toml \
		bench/pyproject.toml chaos/pyproject.toml -o requirements.lock

.PHONY: build
build: mosquitto qt-libraries ## Install everything that is needed to run and to test
	@$(MAKE) --no-print-directory -j2 $(VENV)/.members dashboard

.PHONY: mosquitto
mosquitto: $(VENV)/.tools
	@deploy/local/scripts/install_mosquitto.sh

.PHONY: qt-libraries
qt-libraries: mosquitto
	@clients/desktop/ui/scripts/install_qt_libraries.sh

.PHONY: dashboard
dashboard: $(VENV)/.tools ## Build the dashboard into clients/dashboard/dist, if anything changed
	@clients/dashboard/scripts/node.sh --optional scripts/build.sh

.PHONY: check-dashboard
check-dashboard: dashboard
	@clients/dashboard/scripts/node.sh npm run --silent check

.PHONY: check-observability
check: check-observability
check-observability: $(VENV)/.members ## Prometheus' rules with their tests, Grafana's dashboards with each of their queries
	@deploy/observability/check.sh

.PHONY: check-bench
check: check-bench
check-bench: $(VENV)/.members
	@$(BIN)/pulse bench table --check

.PHONY: figures-dashboard
figures-dashboard: build ## Read LCP, INP, CLS, frames and heap of the dashboard; needs a quiet machine, takes 15 minutes
	@clients/dashboard/scripts/install_chromium.sh
	@clients/dashboard/scripts/node.sh npm run --silent figures

.PHONY: check-chart
check: check-chart
check-chart: $(VENV)/.members ## The Helm chart: lint, Kubernetes' schemas, and cross-checks with the code
	@deploy/k8s/scripts/check_chart.sh

$(VENV)/.tools: deploy/local/scripts/make_venv.sh
	@deploy/local/scripts/make_venv.sh $(PYTHON) $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(VENV)/.dependencies: requirements.lock $(VENV)/.tools
	@echo "installing Python packages (some 300 MB)"
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.members: $(addsuffix /pyproject.toml,$(MEMBERS)) $(VENV)/.dependencies
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	@touch $@

.PHONY: clean
clean: ## Stop this directory's stack and remove what was built; data in .pulse stay
	@if [ -x $(BIN)/pulse ]; then $(BIN)/pulse down; fi
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
