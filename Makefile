# make demo: the first minute with nnexp.  make test: the whole test suite.  Both make .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test quick lint typecheck wheel bench clean

demo: $(VENV)/.installed
	$(BIN)/python -m nnexp -m init=xavier,randn,zero

# On all cores; then, one by one, the tests that other work would disturb.
PARALLEL := $(BIN)/python -m pytest -n auto --dist worksteal
SERIAL := $(BIN)/python -m pytest

test: $(VENV)/.tested
	$(PARALLEL) -m 'not serial'
	$(SERIAL) -m serial

quick: $(VENV)/.tested
	$(PARALLEL) -m 'not slow'

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(VENV)/.tested
	$(BIN)/mypy

wheel: $(VENV)/.tested
	$(BIN)/python -m build --wheel --outdir dist

$(VENV)/.installed: pyproject.toml
	@echo "making $(VENV) and installing nnexp: about half a minute"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

# In an environment of its own, as the peers weigh gigabytes. One without a wheel is skipped, and
# make bench PEERS="jax scikit-learn" leaves out what you do not want.
PEERS ?= torch jax scikit-learn

bench: $(VENV)-bench/.installed
	$(VENV)-bench/bin/python -m nnexp.benchmarks

$(VENV)-bench/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	for peer in $(PEERS); do \
		$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check \
			--only-binary :all: $$peer || echo "$$peer has no wheel for this machine: the benchmark goes without it"; \
	done
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-bench dist build .pytest_cache .ruff_cache .mypy_cache
