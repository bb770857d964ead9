# Commands for users and contributors. Each environment is rebuilt when pyproject.toml or its constraints change.
# `serve` starts in the light environment and installs the one with torch in the background; see docs/deployment.md.
PYTHON ?= python3
PIP_QUIET = --quiet --disable-pip-version-check
LOCKED = --constraint constraints.txt
# Supported releases of Kubernetes, see docs/kubernetes.md.
KUBERNETES = 1.34 1.35 1.36 1.37
COMPILE = .venv-constraints/bin/uv pip compile pyproject.toml --quiet --python-version 3.11 --no-header --no-annotate
# Requirements with the hashes of all files that may be installed into the service's environment, on any platform.
HASHED = .venv-constraints/bin/uv pip compile --quiet --python-version 3.11 --no-header --no-annotate --universal \
  --upgrade --generate-hashes --constraint constraints.txt
# Dependencies that torch pins exactly, with other packages for other platforms.
OF_TORCH = ^(cuda|nvidia)-|^triton==
# The same and torch itself, in a list with hashes; an entry ends with the first line that has no backslash at its end.
WITHOUT_TORCH = sed -E '/^(cuda|nvidia|triton|torch|torchvision)(-[a-z0-9-]+)?==/,/[^\\]$$/d'
# Without `--no-loadscope-reorder`, files of few tests come last, and those take longest.
PYTEST = .venv-dev/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
# pytest keeps the rewritten assertions of test files as bytecode; rewriting them is a quarter of the collection.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: serve dev check test test-all compose-test lint test-oldest manifests constraints clean

ifndef DUET_TRAINING_PYTHON
serve: export DUET_TRAINING_PYTHON = .venv-training/bin/python
serve: export DUET_TRAINING_SETUP = $(MAKE) --silent .venv-training/ready
endif

## serve: install the light environment (no torch) and serve on http://127.0.0.1:8000 (DUET_PORT changes the port)
serve: .venv/ready
	.venv/bin/duet serve

## dev: serve without a broker, and reload when a file of core or service changes
dev: .venv-dev/ready
	.venv-dev/bin/uvicorn service.app:create_app --factory --reload --reload-dir core --reload-dir service \
	  --port $${DUET_PORT:-8000}

## check: unit tests and ruff before a commit
check: .venv-dev/ready
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	$(PYTEST) -m "not slow and not full and not browser"

## test: install everything, including torch, and run the tests required for every change
test: .venv-dev/ready
	$(PYTEST) -m "not full and (smoke or not browser)"

## test-all: all tests, including those with the oldest versions and, if a Docker engine runs, of the containers
test-all: .venv-dev/ready
	DUET_TEST_DOCKER=$$(docker info >/dev/null 2>&1 && echo 1) $(PYTEST)
	$(MAKE) test-oldest

## compose-test: build the images, test them end to end and print timings (needs a Docker engine)
compose-test: .venv-dev/ready
	DUET_TEST_DOCKER=1 .venv-dev/bin/python -m pytest tests/e2e -m docker

## test-oldest: the service's tests with the oldest dependency versions that pyproject.toml allows
test-oldest: .venv-oldest/ready
	.venv-oldest/bin/python -m pytest tests/service tests/duet/test_client*.py -m "not slow" \
	  --ignore=tests/service/saliency --ignore=tests/service/web

## lint: style, types and import contracts
lint: .venv-dev/ready
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports

## manifests: check deploy/kubernetes against the schemas of Kubernetes and with checkov (needs kubectl, no cluster)
manifests: .venv-manifests/ready
	mkdir -p build/manifests build/overlays/components
	printf '%s\n' 'resources: [../trial]' 'components: [../webhooks, ../oidc, ../tracing]' \
	  > build/overlays/components/kustomization.yaml
	cp -r deploy/kubernetes/* build/overlays/
	for overlay in trial external-redis monitoring components; do \
	  kubectl kustomize build/overlays/$$overlay > build/manifests/$$overlay.yaml || exit; \
	  for version in $(KUBERNETES); do \
	    .venv-manifests/bin/kubernetes-validate --strict --quiet --no-warn --kubernetes-version $$version \
	      build/manifests/$$overlay.yaml || exit; \
	  done; \
	done
	LOG_LEVEL=ERROR .venv-manifests/checkov/bin/checkov --directory build/manifests --framework kubernetes --compact \
	  --quiet --skip-download

# The project itself has no hash: it is built from this checkout, with the locked build tools.
.venv/ready: pyproject.toml requirements-serve.txt requirements-build.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install $(PIP_QUIET) --require-hashes -r requirements-serve.txt -r requirements-build.txt
	.venv/bin/python -m pip install $(PIP_QUIET) --no-deps --no-build-isolation --editable .
	touch $@

.venv-training/ready: pyproject.toml constraints.txt
	rm -f $@
	$(PYTHON) -m venv .venv-training
	.venv-training/bin/python -m pip install $(PIP_QUIET) $(LOCKED) --editable '.[training,backbone,openvino,tracing]'
	touch $@

# uv downloads and unpacks several packages at a time; torch with the libraries of CUDA takes pip four times as long.
.venv-dev/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python -m pip install $(PIP_QUIET) $(LOCKED) uv
	.venv-dev/bin/uv pip install --quiet --python .venv-dev/bin/python $(LOCKED) --editable '.[serve,training,backbone,openvino,dev]'
	touch $@

# Test dependencies are the newest versions that are compatible with the oldest service dependencies.
.venv-oldest/ready: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install $(PIP_QUIET) --constraint constraints-oldest.txt --editable '.[serve,dev]' onnx
	touch $@

# Checkov pins its dependencies exactly, so it has an environment of its own.
.venv-manifests/ready: deploy/kubernetes/checks.txt
	$(PYTHON) -m venv .venv-manifests
	.venv-manifests/bin/python -m pip install $(PIP_QUIET) --constraint deploy/kubernetes/checks.txt kubernetes-validate
	$(PYTHON) -m venv .venv-manifests/checkov
	.venv-manifests/checkov/bin/python -m pip install $(PIP_QUIET) --constraint deploy/kubernetes/checks.txt checkov
	touch $@

## constraints: lock the newest versions that pyproject.toml allows, the hashes of the service's and the worker's dependencies, and the
## service's oldest versions
constraints:
	$(PYTHON) -m venv --clear .venv-constraints
	.venv-constraints/bin/python -m pip install $(PIP_QUIET) uv
	$(COMPILE) --all-extras --upgrade --output-file .venv-constraints/newest.txt
	grep -vE '$(OF_TORCH)' .venv-constraints/newest.txt > constraints.txt
	$(COMPILE) --extra serve --resolution lowest-direct --no-deps --output-file .venv-constraints/oldest.txt
	cp .venv-constraints/oldest.txt constraints-oldest.txt
	$(HASHED) pyproject.toml --extra serve --extra openvino --extra tracing --extra oidc --extra remote \
	  --output-file .venv-constraints/serve.txt
	cp .venv-constraints/serve.txt requirements-serve.txt
	$(HASHED) pyproject.toml --extra serve --extra openvino --extra tracing --extra remote --extra training \
	  --output-file .venv-constraints/worker.txt
	$(WITHOUT_TORCH) .venv-constraints/worker.txt > requirements-worker.txt
	printf '%s\n' 'cyclonedx-bom>=7.5,<8' > .venv-constraints/sbom.in
	$(HASHED) .venv-constraints/sbom.in --output-file .venv-constraints/sbom.txt
	cp .venv-constraints/sbom.txt requirements-sbom.txt
	printf '%s\n' 'hatchling>=1.27,<2' editables > .venv-constraints/build.in
	$(HASHED) .venv-constraints/build.in --output-file .venv-constraints/build.txt
	cp .venv-constraints/build.txt requirements-build.txt
	rm -rf .venv-constraints

## clean: remove the environments
clean:
	rm -rf .venv .venv-training .venv-dev .venv-oldest .venv-manifests build/manifests build/overlays
