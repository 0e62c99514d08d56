# Two commands on a fresh Debian or Ubuntu machine:
#   make demo    sets up, collects 100 episodes without key or daemon, shows what came out
#   make test    sets up and runs the tests
SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
RUN ?= runs/demo
N ?= 100
# An ordinary user may have no cgroup to put limits in; the record of each episode says so.
DEGRADED := $(if $(filter 0,$(shell id -u)),,--allow-degraded memory,cpu)
EXTRAS ?= test
TEST_ARGS ?=
# As many tests at a time as there are cores; 0 runs them one after the other.
JOBS ?= auto

.PHONY: demo test lint docs setup setup-test clean
demo: setup
	@rm -rf $(RUN)
	@mkdir -p $(dir $(RUN))
	$(BIN)/ise intents sample -n $(N) --seed 7 --out $(RUN).intents.jsonl --force
	$(BIN)/ise rollout --intents $(RUN).intents.jsonl --agent faulty -n $(N) --concurrency 4 $(DEGRADED) --out $(RUN)
	$(BIN)/ise stats $(RUN)
	$(BIN)/ise show $(RUN) 0

test: setup-test
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(TEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.docs
	$(BIN)/python scripts/build_docs.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

setup: $(VENV)/.core
setup-test: $(VENV)/.$(EXTRAS)

.PHONY: system
system:
	@./scripts/system-packages

$(VENV)/.core: pyproject.toml scripts/system-packages | system
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# One rule for every list of extras: .venv/.test, .venv/.dev, .venv/.test,test-llm ...
$(VENV)/.%: pyproject.toml $(VENV)/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
