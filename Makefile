# The two commands that matter: make demo, make test. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all coverage mutants browser slurm-up slurm-down test-slurm bench findings docs check shells format clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | \
		while IFS="$$(printf '\t')" read -r name text; do printf '  make %-11s %s\n' "$$name" "$$text"; done

setup: $(READY) ## make .venv with everything in it

# One pip command: torch's pin must be seen by everything that needs torch.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rote needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[test,dev]'
	touch $(READY)

demo: $(READY) ## measure bits per parameter on two tiny models, write outputs/reports/demo
	$(BIN)/rote sweep demo
	$(BIN)/rote report demo

test: $(READY) ## the quick tests, in parallel: what every change has to pass
	$(BIN)/python -m pytest --numprocesses auto -m "not slow and not slurm"

test-all: $(READY) browser shells slurm-up ## every test, on the real cluster and in Chromium too (root)
	$(BIN)/python -m pytest --numprocesses auto -m "not slurm"
	$(BIN)/python -m pytest -m slurm

coverage: $(READY) ## the quick tests, and how much of src/ they run: 90 % at least
	$(BIN)/python -m pytest --numprocesses auto -m "not slow and not slurm" \
		--cov --cov-report=term:skip-covered --cov-fail-under=90

mutants: $(READY) ## change 200 places of the code, count how many the quick tests notice (an hour)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[mutants]'
	$(BIN)/python -m tests.mutants

shells: ## install zsh and fish for the tests of completion (Debian or Ubuntu, root)
	tests/cli/install.sh

browser: ## install Chromium for the tests of the site (Debian or Ubuntu, root)
	tests/site/install.sh

slurm-up: ## start a real SLURM cluster of virtual nodes on this machine (Debian or Ubuntu, root)
	tests/slurm/up.sh

slurm-down: ## stop that cluster
	tests/slurm/down.sh

test-slurm: $(READY) slurm-up ## sweeps on the real cluster: sent once, preempted, requeued
	$(BIN)/python -m pytest -m "slurm and not slow"

bench: $(READY) ## time training and audits beside Hugging Face's, print ratios (15 minutes)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[bench]'
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/scores.py
	$(BIN)/python benchmarks/audit.py

findings: $(READY) ## train every demo anew, put their numbers into docs/findings.md (an hour)
	$(BIN)/python benchmarks/findings.py

docs: $(READY) ## build the site of docs/ into outputs/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

check: $(READY) ## lint, format, types, floors: what must hold before a commit
	$(BIN)/ruff check src tests benchmarks examples docs/reference.py
	$(BIN)/ruff format --check src tests benchmarks examples docs/reference.py
	$(BIN)/mypy
	MYPYPATH=src:benchmarks $(BIN)/mypy --allow-untyped-calls --ignore-missing-imports --follow-imports=silent benchmarks examples
	$(BIN)/python -m pytest --quiet --numprocesses auto tests/test_floors.py

format: $(READY) ## let ruff format and sort
	$(BIN)/ruff check --fix src tests benchmarks examples docs/reference.py
	$(BIN)/ruff format src tests benchmarks examples docs/reference.py

clean: ## remove the environment and caches; outputs/ is never touched
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache build dist
