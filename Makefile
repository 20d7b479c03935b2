# Everything a clone needs: Python 3.11 or later with venv, make, and a package registry.
# `make run` opens the demo, `make test` runs every test; both set up what is missing first.

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
PIP_INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check bench format clean lock install browser-code find-browser

help:
	@echo "make run     set up and open the demo"
	@echo "make test    set up and run every test"
	@echo "make check   lint, types and import contracts, Python and browser code"
	@echo "make bench   measure, and write docs/performance.md"
	@echo "make format  format the Python code"
	@echo "make lock    renew the lock files within the ranges of pyproject.toml (needs uv)"
	@echo "make clean   remove what was built and installed here, the demo's data included"

run: install browser-code
	@exec $(BIN)/knopka demo

# The browser comes first: without one the run must fail before it has taken anybody's time.
test: find-browser $(VENV)/.tests browser-code
	$(PYTHON) hatch_build.py check
	$(PYTHON) -m pytest --numprocesses auto --maxprocesses 4

check: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTHON) hatch_build.py check

bench: $(VENV)/.tests browser-code
	$(PYTHON) -m bench

format: $(VENV)/.tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) dist build frontend/node_modules knopka-data test-results
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src/knopka/web/static -mindepth 1 ! -name .gitkeep -delete
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# A week must have passed since a release before it is taken (SECURITY.md).
LOCK = uv pip compile --no-config --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --fork-strategy fewest --custom-compile-command "make lock" \
	--exclude-newer "$$(date -u -d '7 days ago' +%Y-%m-%d)"
lock:
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) --group build -c requirements.lock -o requirements-build.lock
	$(LOCK) --group test -c requirements.lock -c requirements-build.lock -o requirements-test.lock

install: $(VENV)/.package

browser-code: $(VENV)/.packages
	@$(PYTHON) hatch_build.py

find-browser:
	@sh tests/find_browser.sh

# The first usable Python is taken: Debian has venv in a package of its own.
$(VENV)/.venv:
	@for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making $(VENV) with $$($$python --version) …"; \
			$$python -m venv --clear $(VENV) && touch $@; exit; \
		fi; \
	done; \
	echo "No Python 3.11 or later with venv was found. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	exit 1

$(VENV)/.packages: $(VENV)/.venv requirements.lock requirements-build.lock
	@echo "Installing the pinned Python packages …"
	@$(PIP_INSTALL) --require-hashes -r requirements.lock -r requirements-build.lock
	@touch $@

# Hatch would build the browser code here as well; the target browser-code does, and sees changes.
$(VENV)/.package: $(VENV)/.packages pyproject.toml hatch_build.py
	@HATCH_BUILD_NO_HOOKS=true $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.tests: $(VENV)/.package requirements-test.lock
	@echo "Installing the pinned packages of the tests …"
	@$(PIP_INSTALL) --require-hashes -r requirements-test.lock
	@touch $@
