# make demo        the main job, for real, on this machine (needs Python >= 3.11 and a package index; nothing else)
# make test        everything that needs no Docker and no browser; make test-console: the page in a headless Chromium
# make lint        Python, template, state machines
# make sam-local   every sample event through the real `sam local invoke` (needs Docker, or root to start one)
# make bench-overhead | bench-ingest | bench-kill | bench-answers | bench-api    measurements; figures go to benchmarks/results/
# make build       what `sam deploy` sends to AWS:  make build ARCH=arm64|x86_64 RUNTIME=python3.13
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
ARCH ?= arm64
RUNTIME ?= python3.13
BIN := .venv/bin
UV_VERSION := 0.13.9
export SAM_CLI_TELEMETRY := 0
export UV_SYSTEM_CERTS := 1

help:
	@sed -n '1,/^SHELL/{/^#/s/^# //p}' Makefile

.venv/runtime.stamp: requirements/runtime.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("OmniLake needs Python 3.11 or newer; set PYTHON=/path/to/python3" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	@$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python --no-deps -e .
	@touch $@

.venv/dev.stamp: .venv/runtime.stamp requirements/dev.txt
	@$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

.omnilake/venvs/lint/stamp: .venv/runtime.stamp requirements/lint.txt
	@test -x $(@D)/bin/python || $(BIN)/uv venv -q --python $(BIN)/python $(@D)
	@$(BIN)/uv pip install -q --compile-bytecode --python $(@D)/bin/python --require-hashes -r requirements/lint.txt
	@touch $@

setup: .venv/runtime.stamp                      ## the CLI and the client
setup-dev: .venv/dev.stamp                      ## and everything that tests need

demo: setup                                     ## the main job, end to end
	@$(BIN)/omnilake demo

test: setup-dev
	@$(BIN)/pytest -n 2 --ignore tests/console

browser: setup-dev                              ## a Chromium, where there is none
	@scripts/browser.sh

test-console: browser                           ## the console page in a browser, on the embedded cloud too
	@$(BIN)/pytest tests/console

lint: setup-dev .omnilake/venvs/lint/stamp
	@$(BIN)/python scripts/lint

sam-local: setup-dev
	@$(BIN)/python scripts/sam_local.py

build: setup
	@$(BIN)/python scripts/build.py --arch $(ARCH) --runtime $(RUNTIME)

docs: setup                                     ## diagrams into docs/architecture.md and the console, description of the API
	@$(BIN)/python scripts/diagrams.py
	@$(BIN)/python scripts/console_workflows.py
	@$(BIN)/python scripts/openapi.py

client: setup-dev                               ## the synchronous client, out of the asynchronous one
	@$(BIN)/python scripts/synchronous_client.py

bench-kill: setup-dev                           ## SEED=of everything random, KILLS=at random
	@$(BIN)/python benchmarks/kill.py $(if $(SEED),--seed $(SEED)) $(if $(KILLS),--kills $(KILLS))

bench-overhead: setup-dev
	@$(BIN)/python benchmarks/overhead.py

bench-ingest: setup-dev                         ## DATA=folder of a BEIR set, DOCUMENTS=most of them
	@$(BIN)/python benchmarks/ingest.py $(if $(DATA),--data $(DATA)) --documents $(or $(DOCUMENTS),5000)

bench-api: setup-dev                            ## calls of the API at a fixed rate; import times of its functions
	@$(BIN)/python benchmarks/api.py

bench-answers: setup-dev                        ## DATA=folder of labelled sets, SECTIONS=with commas, QUERIES=most of a set
	@$(BIN)/python benchmarks/answers.py --data $(DATA) $(if $(SECTIONS),--sections $(SECTIONS)) $(if $(QUERIES),--queries $(QUERIES))

clean:                                          ## caches and builds; not the embedded cloud's data
	@rm -rf .aws-sam .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

.PHONY: help setup setup-dev demo test browser test-console lint sam-local build docs client bench-kill bench-overhead bench-ingest bench-answers bench-api clean
