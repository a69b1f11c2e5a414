# make demo   install the package and run `musclegym quickstart`
# make test   install for development and run the tests
# make lint   ruff and pyright
# make docs   build the documentation, warnings as errors: docs/_build/index.html
#
# Needs CPython 3.11 with pip; PYTHON=... names another interpreter, VENV=... another virtual environment.

VENV ?= .venv
PYTHON ?= $(firstword $(foreach name,python3.11 python3,$(shell \
	$(name) -c 'import sys; sys.version_info[:2] == (3, 11) and print("$(name)")' 2>/dev/null)))

.PHONY: demo test lint docs

demo: $(VENV)/installed
	$(VENV)/bin/musclegym quickstart

test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2

lint: $(VENV)/installed-dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python

docs: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m sphinx -W --keep-going -q -b html docs docs/_build

$(VENV)/installed: $(VENV)/created pyproject.toml constraints.txt
	$(VENV)/bin/python -m pip install -c constraints.txt -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/created pyproject.toml constraints.txt
	$(VENV)/bin/python -m pip install -c constraints.txt -e '.[dev]'
	touch $(VENV)/installed $@

$(VENV)/created:
	@test -n "$(PYTHON)" || { echo "make: needs CPython 3.11, but neither python3.11 nor python3 here is one." \
		"PyBullet's wheels end with it, and constraints.txt is tested on it. Install it (the system's package" \
		"python3.11, or uv python install 3.11), or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@
