# `make demo` tries Nod without any account; `make test` sets up and passes the tests. See README.md.
PYTHON ?= python3
PY := .venv/bin/python
SDK := .sdk/bin/python
# Extras stay in the pins: without them pip looks for the newest `name[extra]`, and finds one without a hash.
COMPILE := .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-strip-extras

# What was compiled and rewritten once is kept: each of the processes of a run would do it again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-all test-pythons mutants check sdk lock clean

demo: .venv/ready
	.venv/bin/nod demo

# Most of the longer tests wait more than they compute (tests/conftest.py), so there are two for each of two cores.
# `make test-all` runs whole what this samples (tests/sampling.py).
# Those that promise a second of real time go before, one by one.
test: .venv/ready .sdk/ready
	$(PY) -m pytest -m "calm and not slow"
	$(PY) -m pytest -n 4 --dist loadgroup -m "not slow and not calm"

# The long ones measure lateness, and are not held up by more than their own work.
test-all: .venv/ready .sdk/ready
	$(PY) -m pytest -m "calm"
	$(PY) -m pytest -n 2 --dist loadgroup -m "not calm"

# The quick suites on every Python that Nod supports; one that is not installed is named.
test-pythons:
	.ci/on-python 3.11
	.ci/on-python 3.12
	.ci/on-python 3.13

# Small faults in the code that decides, each seen by a test or listed. Goes on where an earlier run was stopped.
mutants: .venv/ready
	.venv/bin/mutmut run --max-children 2
	.venv/bin/mutmut results

# What `make test` runs of style and structure, alone and quick.
check: .venv/ready
	$(PY) -m pytest -q tests/test_house.py

sdk: .sdk/ready

.venv/ready: requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# The platform's own client has pins that would bind ours: it lives in an environment of its own.
.sdk/ready: tests/sdk/requirements.txt
	$(PYTHON) -m venv .sdk
	$(SDK) -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/sdk/requirements.txt
	touch $@

# Resolve the pins anew (needs uv in .venv: `.venv/bin/pip install uv`).
lock:
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) -c requirements.txt pyproject.toml --group test -o requirements-dev.txt
	echo "glaip-sdk==0.9.16" | $(COMPILE) - -o tests/sdk/requirements.txt

clean:
	rm -rf .venv .venv-* .sdk .pytest_cache .mypy_cache .ruff_cache .hypothesis mutants
