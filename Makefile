# make demo: install and run the quickstart.  make test: install for development and run the tests.
# make lint: ruff and pyright.  Needs CPython 3.11 (or 3.10) and pip; VENV=FOLDER uses another virtual environment.

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(VENV)/bin

.PHONY: demo test lint

demo: $(VENV)/installed
	$(BIN)/musclegym quickstart

test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

lint: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

$(VENV)/installed: $(VENV)/created pyproject.toml constraints.txt
	$(BIN)/python -m pip install -c constraints.txt .
	touch $@

$(VENV)/installed-dev: $(VENV)/created pyproject.toml constraints.txt
	$(BIN)/python -m pip install -c constraints.txt -e ".[dev]"
	touch $@ $(VENV)/installed

$(VENV)/created:
	$(PYTHON) -m venv $(VENV)
	touch $@
