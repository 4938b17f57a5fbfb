# Every target sets itself up: Python 3.11+, its venv module and make are all a machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo run test test-fast test-n8n mutants audit check bench flood fuzz fix clean

help:
	@echo "make demo    one whole call on this machine, with no account (about a minute)"
	@echo "make run     answer calls; without configuration, in demo mode"
	@echo "make test    all tests; those on PostgreSQL where FWAI_TEST_POSTGRES_URL names a server"
	@echo "make test-fast  what needs no real time, about five minutes on two cores"
	@echo "make mutants  faults that the tests must notice, tried one by one; ONLY=hang-up for some of them"
	@echo "make audit   secrets in the tree, risky code, known faults of pinned packages"
	@echo "make check   lint, format, types, import rules, spelling"
	@echo "make bench   speed and memory beside their targets (about twelve minutes); PART=calls,idle"
	@echo "make flood   attacks beside twenty live calls, and what they did (about five minutes); ONLY=idle"
	@echo "make fuzz    hostile messages into every way in (about half an hour); WIRE=live COUNT=1000 SEED=7"
	@echo "make test-n8n  a call started, heard and followed up by n8n, or by a client like it"
	@echo "make fix     let the linter and the formatter mend what they can"

# Both look at the environment each time: one that an upgrade of the system or an interrupted
# installation broke is made anew.
SET_UP = @command -v $(PYTHON) >/dev/null || { echo "$(PYTHON): not found; name a Python 3.11 or newer: make PYTHON=... $(MAKECMDGOALS)"; exit 1; }; \
	$(PYTHON) scripts/environment.py $(VENV)

runtime: FORCE
	$(SET_UP) requirements.txt

dev: FORCE
	$(SET_UP) requirements.txt requirements-dev.txt

FORCE:

demo: runtime
	@$(BIN)/python run.py demo

run: runtime
	@$(BIN)/python run.py

PYTEST := $(BIN)/python -m pytest -q -rfEs --dist loadfile
# The one half computes, and each process reads all tests first; the other half mostly waits.
FAST := $(PYTEST) -m "not real_time" --numprocesses logical
REAL_TIME := $(PYTEST) -m real_time --numprocesses 3
# Without compiled modules each process of a test, and each it starts, compiles the sources anew.
test test-fast: export PYTHONDONTWRITEBYTECODE :=

# Branches are counted without what takes real time: counting would make gaps in conversations.
test: dev
	$(FAST) --cov --cov-report=json:.coverage/report.json
	$(REAL_TIME)
	$(BIN)/python scripts/check_coverage.py

test-fast: dev
	$(FAST) $(TESTS)

audit: dev
	$(BIN)/python scripts/audit.py

mutants: dev
	$(BIN)/python scripts/mutants.py $(if $(JOBS),--jobs $(JOBS)) $(ONLY)

check: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports
	$(BIN)/python scripts/check_structure.py
	$(BIN)/codespell README.md ARCHITECTURE.md CHANGELOG.md docs src tests

test-n8n: dev
	PYTHONPATH=src:tests $(BIN)/python scripts/n8n/round_trip.py

flood: dev
	$(BIN)/python tests/bench/flood.py $(if $(ONLY),--only "$(ONLY)")

fuzz: dev
	$(BIN)/python tests/fuzz/run.py $(if $(WIRE),--wire $(WIRE)) $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED))

bench: dev
	$(BIN)/python tests/bench/run.py $(if $(PART),--part $(PART))

fix: dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
