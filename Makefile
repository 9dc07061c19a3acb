# The commands of the project; `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
SYSTEM_PYTHON := $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; \
	done)

# A file pattern each: `rules` and `policy` are modules in some slices and packages in others.
COVERED_WHOLLY := kernel/*,*/rules.py,*/rules/*,*/policy.py,*/policy/*

.PHONY: help run test check api migrate demo bench

help: ## List these commands
	@sed -n 's/^\([a-z]*\): .*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: $(INSTALLED) ## Start Cairn with its demo on http://127.0.0.1:8000; Ctrl-C stops it
	@exec $(BIN)/cairn up --demo

test: $(INSTALLED) ## Run the whole test suite, and hold it to its coverage
	@$(BIN)/coverage erase
	$(BIN)/python -m pytest -n auto --cov --cov-report=
	@$(BIN)/coverage report --skip-covered --fail-under=95
	@$(BIN)/coverage report --skip-covered --fail-under=100 --include='$(COVERED_WHOLLY)'

check: $(INSTALLED) ## Lint, formatting, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

api: $(INSTALLED) ## Write openapi/ anew from the code, for review
	$(BIN)/python -m services.api

migrate: $(INSTALLED) ## Bring databases and schemas to this version
	@$(BIN)/cairn migrate

demo: $(INSTALLED) ## Load the demo organizations
	@$(BIN)/cairn demo

bench: $(INSTALLED) ## Measure, and write benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

# Redone only when the lock changes. Nothing is installed that its hash does not vouch for.
$(INSTALLED): requirements.lock
	@test -n "$(SYSTEM_PYTHON)" || { \
		echo "Cairn needs Python 3.11 or later on the PATH: install it (for instance python3.12)." >&2; \
		exit 1; }
	@echo "Making $(VENV) with $(SYSTEM_PYTHON) and installing what requirements.lock names."
	@test -x $(BIN)/python || $(SYSTEM_PYTHON) -m venv $(VENV) || { \
		echo "Python cannot make $(VENV): install its venv module (for instance python3-venv)." >&2; \
		rm -rf $(VENV); exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(INSTALLED)
