# Everything a newcomer types. Each environment is made once, and again when pyproject.toml or what it is locked to changes.
# `serve` answers as soon as the light one is there, and makes the one with torch meanwhile; see docs/operations.md.
PYTHON ?= python3
PIP_QUIET = --quiet --disable-pip-version-check
LOCKED = --constraint constraints.txt
COMPILE = .venv-constraints/bin/uv pip compile pyproject.toml --quiet --python-version 3.11 --no-header --no-annotate
# torch names these itself, to the last digit, and others for another machine.
OF_TORCH = ^(cuda|nvidia)-|^triton==
PYTEST = .venv-dev/bin/python -m pytest --numprocesses 2 --dist loadfile

.PHONY: serve dev check test test-all compose-test lint test-oldest constraints clean

ifndef DUET_TRAINING_PYTHON
serve: export DUET_TRAINING_PYTHON = .venv-training/bin/python
serve: export DUET_TRAINING_SETUP = $(MAKE) --silent .venv-training/ready
endif

## serve: install the light environment (no torch) and answer on http://127.0.0.1:8000 (DUET_PORT changes the port)
serve: .venv/ready
	.venv/bin/duet serve

## dev: serve without a broker, and start again whenever a file of core or service changes
dev: .venv-dev/ready
	.venv-dev/bin/uvicorn service.app:create_app --factory --reload --reload-dir core --reload-dir service \
	  --port $${DUET_PORT:-8000}

## check: unit tests and ruff, under two minutes on two cores: before every commit
check: .venv-dev/ready
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	$(PYTEST) -m "not slow and not full and not browser"

## test: install everything, torch included, and run the tests of every change, two files at a time
test: .venv-dev/ready
	$(PYTEST) -m "not full and (smoke or not browser)"

## test-all: every test, those with the oldest versions and, where a Docker engine answers, those of the containers
test-all: .venv-dev/ready
	DUET_TEST_DOCKER=$$(docker info >/dev/null 2>&1 && echo 1) $(PYTEST)
	$(MAKE) test-oldest

## compose-test: build the images, run their whole story and print what it took (needs a Docker engine)
compose-test: .venv-dev/ready
	DUET_TEST_DOCKER=1 .venv-dev/bin/python -m pytest tests/e2e -m docker

## test-oldest: the service's tests with the oldest versions of what it needs that pyproject.toml allows
test-oldest: .venv-oldest/ready
	.venv-oldest/bin/python -m pytest tests/service tests/duet/test_client*.py -m "not slow" \
	  --ignore=tests/service/saliency --ignore=tests/service/web

## lint: style, types and the direction of imports
lint: .venv-dev/ready
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install $(PIP_QUIET) $(LOCKED) --editable '.[serve]'
	touch $@

.venv-training/ready: pyproject.toml constraints.txt
	rm -f $@
	$(PYTHON) -m venv .venv-training
	.venv-training/bin/python -m pip install $(PIP_QUIET) $(LOCKED) --editable '.[training]'
	touch $@

.venv-dev/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python -m pip install $(PIP_QUIET) $(LOCKED) --editable '.[serve,training,dev]'
	touch $@

# What the tests need besides comes as new as it can be had with the oldest.
.venv-oldest/ready: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install $(PIP_QUIET) --constraint constraints-oldest.txt --editable '.[serve,dev]' onnx
	touch $@

## constraints: lock the newest versions that pyproject.toml allows, and the oldest of what the service needs
constraints:
	$(PYTHON) -m venv --clear .venv-constraints
	.venv-constraints/bin/python -m pip install $(PIP_QUIET) uv
	$(COMPILE) --all-extras --upgrade --output-file .venv-constraints/newest.txt
	grep -vE '$(OF_TORCH)' .venv-constraints/newest.txt > constraints.txt
	$(COMPILE) --extra serve --resolution lowest-direct --no-deps --output-file .venv-constraints/oldest.txt
	cp .venv-constraints/oldest.txt constraints-oldest.txt
	rm -rf .venv-constraints

## clean: remove the environments
clean:
	rm -rf .venv .venv-training .venv-dev .venv-oldest
