# `make help` lists the targets. Everything runs in .venv at the root; `make install PYTHON=python3.12` makes it with
# another interpreter. Needs python3 (with venv) and make, nothing else, and no display.
PYTHON ?= python3
BIN := .venv/bin
# No display, no start-up chatter.
export MPLBACKEND := Agg
export TF_CPP_MIN_LOG_LEVEL ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NO_MKDOCS_2_WARNING := 1
STAMP := .venv/.installed
EXTRAS := train,qat,jax,docs,test
TFLITE := .venv-tflite
GPU_DRIVER := .venv/share/swiftshader
# A worker for each core, 1.2 GB each. They start with neighbouring tests, so that few fixtures are made twice, and take
# over what others have left.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help install demo docs test test-slow test-tflite-runtime test-arm64 gpu-driver lint bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' Makefile

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

docs: install ## build the site into site/, warnings as errors
	@$(BIN)/python -m mkdocs build --strict
	@echo "the site's first page: site/index.html"

lint: install ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/python -m mypy

test: install lint ## ruff, mypy and the tests, without those that take minutes
	@.ci/gpu-driver $(GPU_DRIVER) || echo "no software GPU: tests that need one are skipped"
	@$(PYTEST)

test-slow: install ## the tests that take minutes
	@$(PYTEST) -m slow

test-tflite-runtime: install $(TFLITE)/.installed ## the device's tests with tflite-runtime, in .venv-tflite
	@$(BIN)/python tests/edge/tiny_step.py $(TFLITE)/models
	@PYTHONPATH=. SGE_EDGE_TEST_MODELS=$(TFLITE)/models $(TFLITE)/bin/python -m pytest tests/edge

# Neither ai-edge-litert nor the TensorFlow of .venv is there to step in; opencv-python 4.11 would need libGL.
$(TFLITE)/.installed: setup.cfg
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info >= (3, 12))" || \
		{ echo "tflite-runtime 2.14.0 needs Python 3.11 or older: make test-tflite-runtime PYTHON=python3.11"; exit 1; }
	@test -x $(TFLITE)/bin/pip || $(PYTHON) -m venv $(TFLITE)
	@$(TFLITE)/bin/python -m pip install -q "tflite-runtime==2.14.0" "numpy<2" "opencv-python-headless==4.11.*" \
		"PyYAML>=6,<7" "pytest>=8,<10"
	@touch $@

test-arm64: install ## the device's tests under arm64 emulation, with both runtimes (Debian, 780 MB on disk)
	@.ci/test-arm64 || { code=$$?; test $$code = 77; }

gpu-driver: install ## a Vulkan device in software for `sge inspect` (Debian, 32 MB to download)
	@.ci/gpu-driver $(GPU_DRIVER) && echo "$(GPU_DRIVER) holds the driver; sge inspect finds it there"

bench: install ## the entropy map against scikit-image
	@$(BIN)/python benchmarks/entropy.py

clean: ## remove .venv, caches and build folders; runs/ and data/ stay
	@rm -rf .venv .venv-tflite .arm64 build dist site *.egg-info .pytest_cache .ruff_cache .mypy_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
