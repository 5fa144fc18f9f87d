# `make run` and `make test` need only Python >= 3.11; both build the same environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test campaign bench lint clean

run: $(VENV)/.installed
	$(BIN)/affectbench run $(ARGS)

test: lint
	$(BIN)/python -m pytest -n auto -q $(ARGS)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

campaign: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.campaign $(ARGS)

bench: $(VENV)/.installed
	$(BIN)/python -m pytest tests/test_speed.py --benchmark-enable --benchmark-only -q -s $(ARGS)

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

clean:
	rm -rf $(VENV)
