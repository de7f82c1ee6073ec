# SPDX-License-Identifier: GPL-2.0-only
# What a user types. Each target sets up what it needs and does nothing twice.

# Options of bench, each by its name in capitals; ARGS is passed on as it is.
NAMED := KERNEL SUITE WORKLOAD COUNTERS MODE SMP PTI SEEDS PROFILE JOBS BASELINE OUT RESUME
PARAMS ?=
ARGS   ?=

VENV    := .venv
BENCH   := $(VENV)/bin/execmem-bench
PYTHON  := $(VENV)/bin/python
STAMP   := $(VENV)/.setup
lower    = $(shell echo '$(1)' | tr A-Z a-z)
given    = $(if $($(1)),--$(call lower,$(1)) '$($(1))')
OPTIONS  = $(foreach name,$(NAMED),$(call given,$(name))) \
           $(foreach param,$(PARAMS),--param '$(param)') $(ARGS)

# What Python has compiled is kept: tests start many interpreters.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup bench nightly timer test test-long check format lock clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18
	@echo "Options of bench: $(NAMED:%=%=) PARAMS='KEY=VALUE ...'"
	@echo "Any other option of execmem-bench run, as it is: ARGS='--OPTION ...'"
	@[ ! -x $(BENCH) ] || $(BENCH) run --help | sed -n 's/^  \(-[a-z], \)\{0,1\}\(--[a-z-]*\).*/\2/p' | \
	    paste -sd ' ' | sed 's/^/  of: /'

setup: $(STAMP) ## system packages and the Python environment
$(STAMP): harness/setup.sh pyproject.toml requirements.txt requirements-dev.txt
	@harness/setup.sh $(VENV)
	@touch $@

bench: $(STAMP) ## build the kernels, boot them, measure, compare
	@$(BENCH) run $(OPTIONS)

nightly: $(STAMP) ## once more, and what changed since the night before: history, site
	@$(BENCH) nightly $(OPTIONS)

UNITS := configs/systemd
UNIT_DIR ?= /etc/systemd/system

timer: $(STAMP) ## have systemd run `make nightly` every night
	@for unit in $(UNITS)/*; do \
	    sed 's|@CHECKOUT@|$(CURDIR)|g' $$unit >$(UNIT_DIR)/$${unit##*/} || exit; done
	@[ ! -d /run/systemd/system ] || \
	    { systemctl daemon-reload && systemctl enable --now execmem-bench-nightly.timer; }
	@echo "written to $(UNIT_DIR); its journal: journalctl -u execmem-bench-nightly"

test: $(STAMP) ## static checks, unit tests, real kernels in QEMU
	@began=$$(date +%s); status=0; \
	$(MAKE) --no-print-directory check && \
	$(PYTHON) -m pytest -v -n 2 --dist loadfile --durations=10 -m 'not long' harness/tests/vm || status=$$?; \
	echo "make test took $$(( $$(date +%s) - began )) s"; exit $$status

test-long: $(STAMP) ## what needs kernels of its own: checked builds, self-tests, mainline, other kernels
	@began=$$(date +%s); status=0; \
	$(PYTHON) -m pytest -v -n 2 --dist loadfile --durations=10 -m long harness/tests/vm harness/tests/fuzz || status=$$?; \
	echo "make test-long took $$(( $$(date +%s) - began )) s"; exit $$status

check: $(STAMP) ## format, lint, types and unit tests, in under a minute
	@$(VENV)/bin/ruff format --check --quiet . || { echo 'run: make format'; exit 1; }
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy >$(VENV)/.mypy 2>&1 & types=$$!; \
	$(PYTHON) -m pytest -q -n 2 --dist worksteal harness/tests/unit; status=$$?; \
	wait $$types || status=1; cat $(VENV)/.mypy; exit $$status

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
