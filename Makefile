# Everything sets itself up: `make demo` and `make test` work on a fresh machine with Python 3.11 or later, pip and git.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

RTSP_SERVER := gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good

# Debian puts the broker where only root's PATH looks.
export PATH := $(PATH):/usr/sbin

.DEFAULT_GOAL := help
.PHONY: help demo test lint format deb appliance docs models recordings servers clean

help:  ## Show what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## A stream with real defects, the agent, a broker and a subscriber, in about a minute
	@$(BIN)/vqa-agent demo

test: $(READY) servers lint  ## Everything that is checked: style, types, tests
	@$(BIN)/python -m pytest -n 2

lint: $(READY)  ## Style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY)  ## Bring the code into the project's form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later was not found: install it, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: install them (Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing vqa-agent and what it needs into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

deb: $(READY)  ## A package for the Debian or Ubuntu whose Python made .venv (3.11: Debian 12), in dist/
	@command -v dpkg-deb >/dev/null || { echo "dpkg-deb was not found: packages are built on Debian or Ubuntu" >&2; exit 1; }
	@$(BIN)/python packaging/deb/build.py

appliance: deb  ## The package on a Debian of its own, booted by systemd; needs root, debootstrap and systemd-nspawn
	@$(BIN)/python -m pytest -m appliance tests/appliance

docs: $(READY)  ## Write the pages that follow from the code
	@$(BIN)/python docs/generate.py

servers:
	@missing=; \
	command -v mosquitto >/dev/null || missing="$$missing mosquitto"; \
	test -n "$$(find /usr/lib -name 'GstRtspServer-1.0.typelib' 2>/dev/null)" || missing="$$missing $(RTSP_SERVER)"; \
	test -z "$$missing" || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing the servers of the tests:$$missing"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null 2>&1 \
			|| echo "They could not be installed: the tests that need them are skipped"; \
	else \
		echo "Not installed, and only root may: $$missing. The tests that need them are skipped (apt-get install$$missing)"; \
	fi

# pip's own settings decide which torch comes; its CPU build is a tenth of the size.
models: recordings $(READY)  ## Make every network again from recordings: make models MEDIA=DIR
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[quantize]'
	@for config in quantize/*/config.toml; do \
		$(BIN)/python -m "quantize.$$(basename "$$(dirname "$$config")").train" --media "$(MEDIA)" || exit 1; done

recordings:
	@test -d "$(MEDIA)" || { echo "Name the folder of the recordings: make models MEDIA=DIR" >&2; exit 2; }

clean:  ## Remove the virtual environment and all that was generated
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache dist
