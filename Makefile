# SPDX-License-Identifier: GPL-2.0-only
# What a user types. Each target sets up what it needs and does nothing twice.

KERNEL   ?=
SUITE    ?=
WORKLOAD ?=
COUNTERS ?=
PTI      ?=
SEEDS    ?=
JOBS     ?=
BASELINE ?=
OUT      ?=

VENV    := .venv
BENCH   := $(VENV)/bin/execmem-bench
PYTHON  := $(VENV)/bin/python
STAMP   := $(VENV)/.setup
OPTIONS := $(if $(SUITE),--suite '$(SUITE)') $(if $(WORKLOAD),--workload '$(WORKLOAD)') \
           $(if $(COUNTERS),--counters '$(COUNTERS)') $(if $(PTI),--pti '$(PTI)') \
           $(if $(SEEDS),--seeds '$(SEEDS)') $(if $(JOBS),--jobs '$(JOBS)') \
           $(if $(BASELINE),--baseline '$(BASELINE)') $(if $(OUT),--out '$(OUT)') $(if $(KERNEL),--kernel '$(KERNEL)')

.DEFAULT_GOAL := help
.PHONY: help setup bench test test-long check format lock clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18
	@echo 'Options of bench: KERNEL= SUITE= WORKLOAD= COUNTERS= PTI= SEEDS= JOBS= BASELINE= OUT= (see execmem-bench run --help)'

setup: $(STAMP) ## system packages and the Python environment
$(STAMP): harness/setup.sh pyproject.toml requirements.txt requirements-dev.txt
	@harness/setup.sh $(VENV)
	@touch $@

bench: $(STAMP) ## build the kernels, boot them, measure, compare
	@$(BENCH) run $(OPTIONS)

test: $(STAMP) ## static checks, unit tests, real kernels in QEMU
	@began=$$(date +%s); status=0; \
	$(MAKE) --no-print-directory check && \
	$(PYTHON) -m pytest -v -n 2 --dist loadfile --durations=10 -m 'not long' harness/tests/vm || status=$$?; \
	echo "make test took $$(( $$(date +%s) - began )) s"; exit $$status

test-long: $(STAMP) ## what needs kernels of its own: checked builds, self-tests, mainline, other kernels
	@began=$$(date +%s); status=0; \
	$(PYTHON) -m pytest -v -n 2 --dist loadfile --durations=10 -m long harness/tests/vm || status=$$?; \
	echo "make test-long took $$(( $$(date +%s) - began )) s"; exit $$status

check: $(STAMP) ## format, lint, types and unit tests, in under a minute
	@$(VENV)/bin/ruff format --check --quiet . || { echo 'run: make format'; exit 1; }
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy
	@$(PYTHON) -m pytest -q -n 2 harness/tests/unit

format: $(STAMP) ## write the code in the agreed format
	@$(VENV)/bin/ruff format --quiet .
	@$(VENV)/bin/ruff check --fix --quiet .

lock: $(STAMP) ## pin the newest allowed dependencies, with hashes
	@$(VENV)/bin/pip install -q pip-tools
	@for extra in '' dev; do \
	    $(VENV)/bin/pip-compile -q --upgrade --generate-hashes --strip-extras --no-emit-index-url \
	        --no-emit-find-links $${extra:+--extra $$extra} \
	        -o requirements$${extra:+-$$extra}.txt pyproject.toml; done

clean: ## remove the Python environment; results and caches stay
	rm -rf $(VENV)
