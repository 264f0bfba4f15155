# make demo: the first minute with nnexp.  make test: the whole test suite.  Both make .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test quick lint typecheck wheel clean

demo: $(VENV)/.installed
	$(BIN)/python -m nnexp -m init=xavier,randn,zero

test: $(VENV)/.tested
	$(BIN)/python -m pytest -m ''

quick: $(VENV)/.tested
	$(BIN)/python -m pytest

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(VENV)/.tested
	$(BIN)/mypy

wheel: $(VENV)/.tested
	$(BIN)/python -m build --wheel --outdir dist

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .mypy_cache
