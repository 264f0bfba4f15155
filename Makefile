# make demo: the first minute with nnexp.  make test: the whole test suite.  Both make .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test quick lint typecheck wheel bench clean

demo: $(VENV)/.installed
	$(BIN)/python -m nnexp -m init=xavier,randn,zero

# Tests start hundreds of processes. Without bytecode, each of them would compile nnexp again.
export PYTHONDONTWRITEBYTECODE =

# Tests use all cores, except those marked serial, which other load would disturb. There is one
# process more than cores, as tests of processes and of Dask spend much of their time waiting.
PROCESSES ?= $(shell $(PYTHON) -c "import os; print((os.cpu_count() or 1) + 1)")
PARALLEL := $(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal
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
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) --editable .
	touch $@

# One installation that has everything; it counts as the other one too.
$(VENV)/.tested: pyproject.toml
	@echo "making $(VENV) and installing nnexp and what its tests need: about a minute"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) --editable '.[test]'
	touch $(VENV)/.installed $@

# The benchmark has its own environment, as the other libraries take gigabytes. Libraries without a
# wheel are skipped; make bench PEERS="jax scikit-learn" selects some of them.
PEERS ?= torch jax scikit-learn

bench: $(VENV)-bench/.installed
	$(VENV)-bench/bin/python -m nnexp.benchmarks

$(VENV)-bench/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	for peer in $(PEERS); do \
		$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check \
			--only-binary :all: $$peer || echo "skipping $$peer, which has no wheel for this machine"; \
	done
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-bench dist build .pytest_cache .ruff_cache .mypy_cache
