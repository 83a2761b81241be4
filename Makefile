# make app   set up .venv and start the explorer
# make test  set up what tests need and run every check
.PHONY: app test lint clean

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# On Linux PyPI's torch brings gigabytes of CUDA; PyTorch's own index has the CPU build.
# To train on an NVIDIA GPU: make app TORCH_INDEX=
TORCH_INDEX ?= $(if $(filter Linux,$(shell uname -s)),--index-url https://download.pytorch.org/whl/cpu)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

app: .venv/app
	$(BIN)/streamlit run app.py

test: .venv/test lint
	@sh tests/install_chromium.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not alone and not slow" $(PYTEST)
	$(BIN)/python -m pytest -m "alone and not slow" $(PYTEST)

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

.venv/app: requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed. Install it, or name it: make app PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing what the app needs into .venv (once; some minutes)"
	@$(PIP) --no-deps --retries 1 $(TORCH_INDEX) $$(grep ^torch== requirements.txt) 2>/dev/null || true
	@$(PIP) -r requirements.txt
	@touch $@

.venv/test: .venv/app requirements-dev.txt requirements-cluster.txt
	@echo "Installing what the tests need into .venv"
	@$(PIP) -r requirements-dev.txt
	@touch $@

clean:
	rm -rf .venv
