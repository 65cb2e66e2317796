# Each target does its own set-up: a virtual environment in .venv, with what pyproject.toml pins.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Tests run side by side, one worker a core; those that share something costly on one of them.
PYTEST := $(BIN)/pytest -n auto --dist loadgroup

.PHONY: verify test quick deep lint bench clean

verify: $(READY)  ## every design checked and proved; the table printed; every verdict as the manifest expects
	$(BIN)/confsync matrix --manifest tests/manifest.json

test: $(READY) parts lint  ## all tests, and the real parts they need
	$(PYTEST)

quick: $(READY)  ## the inner loop
	$(BIN)/ruff check .
	$(PYTEST) -m '(not slow or quick) and not deep'

deep: $(READY)  ## what takes too long for each change: every operation of every kind, broken everywhere
	$(PYTEST) -m deep

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) parts  ## the search, the proofs, the toolstack, the conformance, the audit; prints tables
	$(BIN)/python -m benchmarks.search
	$(BIN)/python -m benchmarks.proofs
	$(BIN)/python -m benchmarks.toolstack
	$(BIN)/python -m benchmarks.conformance
	$(BIN)/python -m benchmarks.audit

.PHONY: parts
parts:  ## spin and a C compiler, from Debian's packages where they are not there
	@sh tests/install-parts.sh

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "confsync needs Python 3.11 or later: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "no venv module: apt-get install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
