# Every command that people rely on. `make demo` is the one to start with.
#
# The first run sets itself up: any Python >= 3.11 is enough. PYTHON=/path/to/python chooses one;
# without it, a clearly quicker one of the system's takes the place of the first on the PATH.

PYTHON ?= python3
EXACTLY := $(if $(filter file,$(origin PYTHON)),,--exactly)
VENV := .venv/bin
RUN := $(VENV)/python -m sanyuan.sandbox

PARTS := libs/common libs/client libs/sandbox services/identity services/license-exchange services/catalog services/audit
CODE := libs services tests scripts

.DEFAULT_GOAL := help
.PHONY: help demo up down status clean bench memory flame faults test test-docker lint docs lock run-setup dev-setup

help: ## show these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: run-setup ## the main job on this machine from nothing; writes var/report.json
	@$(RUN) demo

up: run-setup ## start the same installation and keep it running
	@$(RUN) up

down: run-setup ## stop it
	@$(RUN) down

status: run-setup ## say what runs, since when, and what it waits for
	@$(RUN) status

clean: run-setup ## ask, then remove var/
	@$(RUN) clean

bench: run-setup ## benchmarks; writes var/bench.json
	@$(RUN) bench

memory: run-setup ## memory over the size of the log, up to 3,000,000 entries; draws docs/memory.svg
	@$(RUN) bench --only memory --size 10000 --size 100000 --size 1000000 --size 3000000 --plot docs/memory.svg

flame: run-setup ## where a shared call's CPU goes; draws docs/flame-shared-call.svg (needs py-spy)
	@$(RUN) bench --only kinds --flame docs/flame-shared-call.svg

faults: run-setup ## kill and fault campaigns; writes var/faults.json
	@$(RUN) faults

# Two cores have room for a third process: tests on Kafka often wait. WORKERS=0 is a single process.
WORKERS ?= 3
test: dev-setup ## everything that must pass
	@$(VENV)/python -m pytest -m "not docker" -n $(WORKERS)

test-docker: dev-setup ## adds what needs a container engine, and takes Kafka from its image
	@SANYUAN_TEST_KAFKA=docker TESTCONTAINERS_RYUK_DISABLED=true $(VENV)/python -m pytest

lint: dev-setup ## style, types and architecture
	@$(VENV)/ruff check $(CODE)
	@$(VENV)/ruff format --check $(CODE)
	@$(VENV)/mypy $(CODE)
	@$(VENV)/lint-imports --no-cache

docs: dev-setup ## AsyncAPI and JSON Schema from the contracts into docs/
	@$(VENV)/python -m sanyuan.common.docs docs

run-setup:
	@$(PYTHON) scripts/setup.py run $(EXACTLY)

dev-setup:
	@$(PYTHON) scripts/setup.py dev $(EXACTLY)

# Renews requirements/*.txt from the parts' pyproject.toml; for maintainers, needs the network.
COMPILE := $(VENV)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11
OURS := $(foreach part,$(PARTS),--no-emit-package sanyuan-$(notdir $(part)))
METADATA := $(addsuffix /pyproject.toml,$(PARTS))

lock: dev-setup
	@$(COMPILE) $(OURS) $(METADATA) --group pyproject.toml:dev --upgrade --output-file requirements/dev.txt
	@$(COMPILE) $(OURS) $(METADATA) --group pyproject.toml:build --constraint requirements/dev.txt --output-file requirements/run.txt
	@echo uv | $(COMPILE) - --upgrade --output-file requirements/uv.txt
