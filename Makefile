# `make help` lists the targets. Everything runs in .venv at the root; `make install PYTHON=python3.12` makes it with
# another interpreter. Needs python3 (with venv) and make, nothing else, and no display.
PYTHON ?= python3
BIN := .venv/bin
# No display, no start-up chatter.
export MPLBACKEND := Agg
export TF_CPP_MIN_LOG_LEVEL ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1
STAMP := .venv/.installed
EXTRAS := train,qat,jax,test

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow lint bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## make .venv with every extra but tflite-runtime

# The stamp is written last, so an install that failed or was stopped is done again.
$(STAMP): setup.cfg pyproject.toml
	@echo "installing keras-sge[$(EXTRAS)] into .venv (about 3 GB on disk, once)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "$(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install -q -e ".[$(EXTRAS)]"
	@touch $@
	@echo "installed: $$($(BIN)/python --version), $(BIN)/sge, $(BIN)/sge-edge"

demo: install ## train, export, evaluate and stream a small network into runs/demo
	@$(BIN)/sge demo --out runs/demo

lint: install ## ruff
	@$(BIN)/ruff check .

test: install lint ## ruff and the tests, without those that take minutes
	@$(BIN)/python -m pytest

test-slow: install ## the tests that take minutes
	@$(BIN)/python -m pytest -m slow

bench: install ## the entropy map against scikit-image
	@$(BIN)/python benchmarks/entropy.py

clean: ## remove .venv, caches and build folders; runs/ and data/ stay
	@rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
