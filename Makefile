# make demo    set up, draw a sample, run the whole job on it
# make test    set up, run every test but the slow ones
# make interop the real readers; make faults: kills; make bench: beside the peers, tar and scripts

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
KILLS ?= 20
SEED ?= 0

.PHONY: demo test lint interop faults bench setup clean
.DELETE_ON_ERROR:

setup: $(VENV)/.run

# pillow-simd is built from source: a C compiler, and the headers of Python, libjpeg and zlib.
.PHONY: system
system:
	@sh .ci/system-packages

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | system $(VENV)/bin/python
	$(PIP) --no-binary pillow-simd --editable .
	touch $@

$(VENV)/.test: pyproject.toml | system $(VENV)/bin/python
	$(PIP) --no-binary pillow-simd --editable '.[test]'
	touch $@ $(VENV)/.run

.venv-interop/.ready: pyproject.toml | system
	$(PYTHON) -m venv .venv-interop
	.venv-interop/bin/python -m pip --disable-pip-version-check install --quiet \
		--no-binary pillow-simd --editable '.[test,tensorflow]'
	touch $@

.venv-dali/.ready: tests/interop/readers/requirements-dali.txt
	$(PYTHON) -m venv .venv-dali
	.venv-dali/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	touch $@

# --no-deps: without torch, a gigabyte, which the reader does not need.
.venv-torchvision/.ready: tests/interop/readers/requirements-torchvision.txt
	$(PYTHON) -m venv .venv-torchvision
	.venv-torchvision/bin/python -m pip --disable-pip-version-check install --quiet --no-deps -r $<
	touch $@

demo: $(VENV)/.run
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh .ci/demo

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: $(VENV)/.test lint
	$(BIN)/python -m pytest

interop: .venv-interop/.ready .venv-dali/.ready .venv-torchvision/.ready
	.venv-interop/bin/python -m pytest tests/interop

faults: $(VENV)/.test
	SHARDMILL_KILLS=$(KILLS) SHARDMILL_SEED=$(SEED) $(BIN)/python -m pytest -s tests/faults

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m benchmarks.classic

clean:
	rm -rf $(VENV) .venv-interop .venv-dali .venv-torchvision .venv-peers demo build dist
	rm -rf .mypy_cache .ruff_cache .pytest_cache
