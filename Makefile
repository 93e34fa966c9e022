# Two commands on a fresh machine with Python 3.11 and make: `make demo` and `make test`. Everything lands in .venv and .local.
PYTHON ?= python3
JOBS   ?= 2
VENV   := .venv
PY     := $(VENV)/bin/python
UV     := $(VENV)/bin/uv
# uv reads no pip configuration; where pip knows a folder of wheels, uv is told of it.
export UV_FIND_LINKS ?= $(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null)
PACKAGES := $(wildcard libs/*) $(wildcard services/*) deploy/local
# What tests need beside a package's own dependencies.
EXTRAS_review-api := [parquet]
EXTRAS_scenes     := [transnetv2]
EXTRAS_embedder   := [open-clip]
STAMP  := $(VENV)/.installed
DESK   := services/review-api/ui
BUILT  := services/review-api/src/heaters_review_api/ui/app/index.html

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long test-kills reliability check bench lock docs clean images deploy-check images-check audit costs

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  VIDEO=path|url  film for demo      ONCE=1  demo runs through by itself and stops      ONLY=name  one benchmark"

setup: $(STAMP) $(BUILT) ## make the environment in .venv, with the heaters command in it, and build the pages

$(STAMP): constraints.txt pyproject.toml $(addsuffix /pyproject.toml,$(PACKAGES))
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@test -x $(UV) || $(PY) -m pip install --quiet --disable-pip-version-check uv
	$(UV) pip install --quiet --python $(PY) --constraint constraints.txt --group dev $(foreach package,$(PACKAGES),--editable ./$(package)$(EXTRAS_$(notdir $(package))))
	@touch $@

$(BUILT): $(STAMP) $(DESK)/package-lock.json $(DESK)/index.html $(DESK)/vite.config.ts $(DESK)/build.py $(shell find $(DESK)/src -type f) services/review-api/src/heaters_review_api/ui/static/tokens.css
	$(PY) $(DESK)/build.py build
	@touch $@

demo: setup ## run the main job on embedded real servers (VIDEO=, ONCE=1)
	$(VENV)/bin/heaters demo $(if $(VIDEO),--video "$(VIDEO)") $(if $(ONCE),--once)

test: setup ## every test, against the same real servers (ARGS= for pytest, JOBS= side by side)
	$(PY) -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder -m "not long" $(ARGS)

test-long: setup ## what takes minutes: outages, slow links, kills at random, 10,000 clips reviewed (HEATERS_KILLS=200 HEATERS_SEED=)
	HEATERS_KILLS=$${HEATERS_KILLS:-200} $(PY) -m pytest -m long $(ARGS)
	HEATERS_REVIEWERS_CLIPS=$${HEATERS_REVIEWERS_CLIPS:-10000} $(PY) -m pytest tests/system/test_reviewers.py $(ARGS)

test-kills: setup ## kill services at random moments (HEATERS_KILLS=20 HEATERS_SEED=)
	HEATERS_KILLS=$${HEATERS_KILLS:-20} $(PY) -m pytest -m long tests/faults/test_random_kills.py $(ARGS)

reliability: setup ## try every fault, and write docs/reliability.md from what came of it (KEEP=1 adds to an earlier part)
	@mkdir -p build
	$(if $(KEEP),,rm -f build/reliability.jsonl)
	HEATERS_RELIABILITY=build/reliability.jsonl $(PY) -m pytest tests/faults $(ARGS)
	$(PY) tests/faults/table.py build/reliability.jsonl docs/reliability.md

check: setup ## format, lint, types, import laws, published messages
	$(PY) -m heaters_contracts.compat libs/contracts/schemas
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy libs/*/src services/*/src deploy/local/src deploy/checks benchmarks
	$(VENV)/bin/lint-imports --no-cache
	$(PY) $(DESK)/build.py check

bench: setup ## measure beside the peers (ONLY=name)
	$(PY) -m benchmarks $(if $(ONLY),--only $(ONLY))

docs: setup ## make the generated documents again
	$(PY) -m heaters_contracts.compat libs/contracts/schemas
	$(PY) -m heaters_contracts.schemas libs/contracts/schemas
	$(PY) -m heaters_contracts.events libs/contracts/golden libs/contracts/src/heaters_contracts/asyncapi.json docs/events.md
	$(PY) -m heaters_contracts.document docs/pipeline.md
	$(PY) -m deploy.checks.settings docs/settings.md
	$(PY) -m deploy.checks.chart deploy/helm/heaters/files/pipeline.yaml

images: setup ## build all container images with podman (SERVICES= some, TORCH=cuda, EXTRAS= of theirs, TAG=)
	deploy/docker/build.sh $(SERVICES)

deploy-check: setup ## check chart, compose, rules and permissions, and build and start two images; skips loudly what cannot be had
	deploy/checks/tools.sh
	deploy/docker/build.sh scenes review-api || echo "images cannot be built here: their tests are skipped"
	HEATERS_IMAGES=built $(PY) -m pytest -m "not long" tests/deploy $(ARGS)

audit: setup ## check what the services are made of (licences, pins, known holes), and write build/bom/<service>.cdx.json
	$(PY) -m deploy.checks.audit --bom build/bom

costs: setup ## measure what an hour of video costs, and put the tables into docs/operations.md
	$(PY) -m benchmarks --only costs
	$(PY) -m benchmarks.costs docs/operations.md

images-check: setup ## build all images, and run a video through them by compose.yaml (long)
	deploy/checks/tools.sh
	deploy/docker/build.sh
	deploy/checks/standins.sh
	HEATERS_IMAGES=built $(PY) -m pytest -m long tests/deploy $(ARGS)

lock: setup ## resolve all versions anew into constraints.txt
	UV_FIND_LINKS= $(UV) lock --upgrade
	UV_FIND_LINKS= $(UV) export --quiet --all-packages --all-extras --all-groups --no-emit-workspace --no-annotate --no-header --no-hashes --output-file constraints.txt

clean: ## remove the environment and everything local
	rm -rf $(VENV) .local build .mypy_cache .ruff_cache .pytest_cache .hypothesis
