# Everything a newcomer types. Each environment is made once and again when pyproject.toml changes.
# `serve` answers as soon as the light one is there, and makes the one with torch meanwhile; see docs/operations.md.
PYTHON ?= python3
PIP_QUIET = --quiet --disable-pip-version-check

.PHONY: serve test compose-test lint clean

ifndef DUET_TRAINING_PYTHON
serve: export DUET_TRAINING_PYTHON = .venv-training/bin/python
serve: export DUET_TRAINING_SETUP = $(MAKE) --silent .venv-training/ready
endif

## serve: install the light environment (no torch) and answer on http://127.0.0.1:8000 (DUET_PORT changes the port)
serve: .venv/ready
	.venv/bin/duet serve

## test: install everything, torch included, and run all tests, two files at a time
test: .venv-dev/ready
	.venv-dev/bin/python -m pytest --numprocesses 2 --dist loadfile

## compose-test: build the images, run their whole story with docker-compose, and print what it took (needs a Docker engine)
compose-test: .venv-dev/ready
	DUET_TEST_DOCKER=1 .venv-dev/bin/python -m pytest tests/e2e -m docker

## lint: style, types and the direction of imports
lint: .venv-dev/ready
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install $(PIP_QUIET) --editable .
	touch $@

.venv-training/ready: pyproject.toml
	rm -f $@
	$(PYTHON) -m venv .venv-training
	.venv-training/bin/python -m pip install $(PIP_QUIET) --editable '.[training]'
	touch $@

.venv-dev/ready: pyproject.toml
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python -m pip install $(PIP_QUIET) --editable '.[training,dev]'
	touch $@

## clean: remove the environments
clean:
	rm -rf .venv .venv-training .venv-dev
