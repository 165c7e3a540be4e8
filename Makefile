# linegate: `make help` lists what there is.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made-from-lock

.PHONY: help setup demo test check fmt lint types layers unit integration rolling-test cluster-test crash-test bench bench-workers bench-pace bench-backlog bench-webhooks bench-logs bench-year bench-sms bench-floor bench-start soak chaos-test bench-snapshot database-fault-test docs lock clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make .venv with everything, from the lock file

$(STAMP): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "linegate needs Python 3.11 or newer as $(PYTHON); set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv: on Debian, apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## From nothing to delivered messages and their reports, against the sandbox
	$(BIN)/python demo/run.py

test: setup check ## Set up, then every check and the whole test suite
	@echo "three runs, two at a time, each shown when it is through: a quarter of an hour on two cores"
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target acceptance suite services

# Two at a time, since they often wait: for a disk, a browser, a clock. The halves take as long as each other.
.PHONY: acceptance suite services
acceptance: setup
	$(BIN)/pytest tests/acceptance

suite: setup
	$(BIN)/pytest tests/test_house_rules.py tests/unit $(wildcard tests/integration/test_[a-m]*.py)

services: setup
	$(BIN)/pytest $(wildcard tests/integration/test_[n-z]*.py)

check: fmt-check lint types layers ## Formatter, linter, types, import rules

.PHONY: fmt-check
fmt-check: setup
	$(BIN)/ruff format --check src tests demo bench docs

fmt: setup ## Format the code
	$(BIN)/ruff format src tests demo bench docs
	$(BIN)/ruff check --fix src tests demo bench docs

lint: setup
	$(BIN)/ruff check src tests demo bench docs

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports

unit: setup ## The tests without sockets and databases
	$(BIN)/pytest tests/unit

integration: setup ## The tests on a real PostgreSQL and real HTTP
	$(BIN)/pytest tests/integration tests/acceptance

rolling-test: setup ## Restart two workers in turn under load: nothing is lost, nothing goes twice
	$(BIN)/pytest tests/acceptance/test_rolling_restart.py

cluster-test: setup ## Cut off, freeze and kill machines under load, 5 minutes; wants root and iproute2
	$(BIN)/python bench/cluster.py

crash-test: setup ## Kill at each of some 280 named points, then 200 times at random, and check the books
	PYTHONPATH=tests $(BIN)/python -m support.crash

database-fault-test: setup ## The database is promoted, restarted, locked, rewritten, full, cut off in every statement
	$(BIN)/pytest -m "long or not long" tests/integration/test_replica.py \
	  tests/acceptance/test_database_faults.py tests/acceptance/test_broken_connections.py

bench-snapshot: setup ## What a transaction that stays open costs, by window and statement
	$(BIN)/python bench/open_snapshot.py

bench: setup ## The whole path on this machine: messages a second, CPU per message by process
	$(BIN)/python bench/whole_path.py

bench-workers: setup ## The whole path with one worker and with two, compared in one run
	$(BIN)/python bench/workers.py

bench-pace: setup ## How exactly messages go, seen from LINE: pace, instants, silence, fairness
	$(BIN)/python bench/pace.py

bench-backlog: setup ## What a claim and a word to a bulk cost with five million messages waiting
	$(BIN)/python bench/backlog.py

bench-webhooks: setup ## Reports a second to working endpoints while a hundred dead ones hold a million
	$(BIN)/python bench/webhooks.py

bench-logs: setup ## Every way to ask the log, on a million messages: its index and its time
	$(BIN)/python bench/log_plans.py

bench-year: setup ## Every page, list and chore on ten million messages of a year (an hour, 20 GB)
	$(BIN)/python bench/year.py

bench-sms: setup ## SMS a second on one SMPP session, with the memory and sequence numbers it keeps
	$(BIN)/python bench/sms_session.py

bench-floor: setup ## What a message costs at the least: bare HTTP in and out, bare statements
	$(BIN)/python bench/floor.py

bench-start: setup ## How long linegate up takes to answer, and its memory when it does
	$(BIN)/python bench/start_up.py

chaos-test: setup ## Everything outside fails in turn (LINE, SMSC, endpoints, names): who has nothing to do with it goes on
	$(BIN)/python bench/chaos.py

soak: setup ## An hour at half of this machine's capacity: memory, tables, connections, times
	$(BIN)/python bench/soak.py

docs: setup ## Write the tables of docs/reference anew, from the code
	$(BIN)/python docs/generate.py

lock: ## Make the lock files anew (needs uv)
	requirements/lock.sh

clean: ## Remove what was made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
