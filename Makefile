# SPDX-License-Identifier: Apache-2.0
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-postgres test-browser lint bench soak

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything needed to run, test and check (PYTHON=python3.12 chooses)

# A virtual environment that happens to be active is neither used nor changed.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed: make setup PYTHON=python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[test,dev,clouds,models,postgres,oidc,mcp,cluster,notify]'
	@touch $@

demo: setup ## plan the demonstration company
	$(BIN)/gpuopt demo

# In the order of the folders: the last files to be shared out are small ones.
test: setup ## run the tests
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-postgres: setup ## run the service's tests on PostgreSQL, installing it where that may be done
	$(BIN)/python tests/with_postgres.py || { code=$$?; test $$code -eq 77 || exit $$code; }

test-browser: setup ## walk the pages in Chromium, installing it where that may be done
	$(BIN)/python tests/with_browser.py || { code=$$?; test $$code -eq 77 || exit $$code; }

lint: setup ## check style, types and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## run the benchmarks, write docs/benchmarks.md; all random cases, many requests
	$(BIN)/python -m pytest tests/benchmarks
	GPUOPT_SEEDS=all $(BIN)/python -m pytest -n auto --dist loadfile tests/program tests/billing
	GPUOPT_EXAMPLES=50 $(BIN)/python -m pytest tests/api/http/test_schemathesis.py

soak: setup ## kill servers at random while they run jobs, and read while they solve
	GPUOPT_SOAK_KILLS=20 GPUOPT_SOAK_SECONDS=300 $(BIN)/python tests/with_postgres.py -s tests/soak \
	  || { code=$$?; test $$code -eq 77 && GPUOPT_SOAK_KILLS=20 GPUOPT_SOAK_SECONDS=300 $(BIN)/python -m pytest -s tests/soak; }
