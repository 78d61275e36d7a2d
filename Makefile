# `make demo` tries Nod without any account; `make test` sets up and passes the tests. See README.md.
PYTHON ?= python3
PY := .venv/bin/python
SDK := .sdk/bin/python
# Extras stay in the pins: without them pip looks for the newest `name[extra]`, and finds one without a hash.
COMPILE := .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-strip-extras

# What was compiled and rewritten once is kept: each of the processes of a run would do it again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo pictures quick test test-all test-pythons mutants check bench sdk lock clean

# Only what Nod itself needs: the tools of the tests come with `make test`.
demo: .venv/demo
	@$(PY) -m adapters.cli demo

# About a minute, after each change: the units without the long lists of secrets, and without the sandbox's own.
quick: .venv/ready
	$(PY) -m pytest -q -n 2 -m "not slow" tests/unit -k "not redaction and not secrets and not shapes and not sandbox"

# Most of the longer tests wait more than they compute (tests/conftest.py), so there are two for each of two cores.
# `make test-all` runs whole what this samples (tests/sampling.py).
# Those that promise a second of real time go before, one to a core; only their files are read for them.
CALM = $$(grep -rl --include='test_*.py' 'mark\.calm' tests)
test: .venv/ready .sdk/ready
	$(PY) -m pytest -n 2 --dist loadgroup -m "calm and not slow" $(CALM)
	$(PY) -m pytest -n 4 --dist loadgroup -m "not slow and not calm"

# The long ones measure lateness, and are not held up by more than their own work.
test-all: .venv/ready .sdk/ready
	$(PY) -m pytest -m "calm" $(CALM)
	$(PY) -m pytest -n 2 --dist loadgroup -m "not calm"

# The quick suites on every Python that Nod supports; one that is not installed is named.
test-pythons:
	.ci/on-python 3.11
	.ci/on-python 3.12
	.ci/on-python 3.13

# Small faults in the code that decides, each seen by a test or listed. `make mutants PART=bot/seal.py` tries one file;
# both go on where an earlier run was stopped.
mutants: .venv/ready
	$(PY) -m tests.mutation $(PART)

# Writes docs/performance.md; about an hour for all. `make bench PART="burst growth" RUNS=1` measures parts of it,
# and goes on where an earlier run was stopped.
bench: .venv/ready .sdk/ready
	$(PY) -m benchmarks $(PART) $(if $(RUNS),--runs $(RUNS))

# What `make test` runs of style and structure, alone and quick.
check: .venv/ready
	$(PY) -m pytest -q tests/test_house.py

# The picture in the README, made again.
pictures: .venv/ready
	$(PY) -m tests.pictures

sdk: .sdk/ready

# The pins are whole, so nothing is resolved (--no-deps); what the demo imports is compiled at its first start.
# uv, where it is there, takes a tenth of pip's time. Otherwise pip runs from $(PYTHON): a pip of its own in .venv
# would cost as much as a fifth of the packages. A Python without pip (or an old one) gets one all the same.
.venv/demo: requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v < (3, 14) or sys.exit("Nod needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is %d.%d. Name another: make demo PYTHON=python3.12" % v)'
	@total=$$(grep -c == requirements.txt); \
	if command -v uv >/dev/null; then \
	    echo "Setting up the demo, once, with uv: $$total packages, a few seconds."; \
	    uv venv -q --allow-existing -p $(PYTHON) .venv && \
	    uv pip install -q --python $(PY) --no-deps --require-hashes -r requirements.txt; \
	else \
	    echo "Setting up the demo, once: about a minute (a few seconds where uv is installed)."; \
	    if $(PYTHON) -m pip --python $(PYTHON) --version >/dev/null 2>&1; then \
	        $(PYTHON) -m venv --without-pip .venv && pip="$(PYTHON) -m pip --python $(PY)"; \
	    else $(PYTHON) -m venv .venv && pip="$(PY) -m pip"; fi || exit 1; \
	    { PYTHONUNBUFFERED=1 $$pip install --disable-pip-version-check --progress-bar off --no-compile --no-deps \
	        --require-hashes -r requirements.txt 2>.venv/pip.log; echo "exit $$?"; } | { done=0; while read -r word rest; do case $$word in \
	        Collecting|Processing) done=$$((done + 1)); [ $$((done % 10)) != 0 ] || echo "        $$done of $$total packages";; \
	        Installing) echo "        unpacking";; \
	        exit) [ $$rest = 0 ] || cat .venv/pip.log; exit $$rest;; esac; done; }; \
	fi
	@touch $@

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

# Resolve the pins again (needs uv in .venv: `.venv/bin/pip install uv`).
lock:
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) -c requirements.txt pyproject.toml --group test -o requirements-dev.txt
	echo "glaip-sdk==0.9.16" | $(COMPILE) - -o tests/sdk/requirements.txt

clean:
	rm -rf .venv .venv-* .sdk .pytest_cache .mypy_cache .ruff_cache .hypothesis .bench mutants
