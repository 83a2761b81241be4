# make app   set up .venv and start the explorer
# make test  set up what tests need and run every check
.PHONY: app test lint types clean

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# On Linux PyPI's torch brings gigabytes of CUDA; PyTorch's own index has the CPU build.
# To train on an NVIDIA GPU: make app TORCH_INDEX=
TORCH_INDEX ?= $(if $(filter Linux,$(shell uname -s)),--extra-index-url https://download.pytorch.org/whl/cpu)

app: .venv/app
	$(BIN)/streamlit run app.py

test: .venv/test lint
	@sh tests/install_chromium.sh
	$(BIN)/python -m pytest

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/test
	$(BIN)/pyright

.venv/app: requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed. Install it, or name it: make app PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --retries 2 $(TORCH_INDEX) -r requirements.txt
	@touch $@

.venv/test: .venv/app requirements-dev.txt requirements-cluster.txt
	$(BIN)/python -m pip install --quiet --retries 2 $(TORCH_INDEX) -r requirements-dev.txt
	@touch $@

clean:
	rm -rf .venv
