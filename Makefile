# Every target sets up what it needs; a second call is quick.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SHOWN  := $(VENV)/.ready-demo
TRAINS := $(VENV)/.ready-train

# Pages are opened in a real browser where there is one; without it those tests skip, by name.
CHROMIUM = command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	&& apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } || true

.PHONY: demo demo-train test test-long check docs bench clean

demo: $(SHOWN)  ## real faces found, aligned, embedded and compared; writes and names one HTML page
	$(BIN)/mien demo

demo-train: $(TRAINS)  ## people made, prepared, trained on, measured: a bundle of your own in minutes on two cores
	rm -rf mien-training
	$(BIN)/python examples/train_your_own.py mien-training

test: $(READY)  ## every test but the full-size proofs
	$(BIN)/python -m pytest -m "not long"

test-long: $(READY)  ## the full-size proofs: fuzzing, memory, coverage of intervals, pages in a browser
	@$(CHROMIUM)
	$(BIN)/python -m pytest -m long

check: $(READY)  ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)  ## refresh the parts of the docs that are made from the code
	$(BIN)/python docs/refresh.py

bench: $(READY)  ## speed and memory beside peers, from one run; peers live in an environment of their own
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/gallery.py

clean:
	rm -rf $(VENV) .venv-peers .venv-gallery-peers

# Each installs no more than its target needs, pinned; a demo need not wait for a training framework.
INSTALL = test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e

$(SHOWN): pyproject.toml constraints.txt
	$(INSTALL) ".[demo]"
	touch $(SHOWN)

$(TRAINS): pyproject.toml constraints.txt
	$(INSTALL) ".[demo,train]"
	touch $(TRAINS)

$(READY): pyproject.toml constraints.txt
	$(INSTALL) ".[check]"
	touch $(READY) $(SHOWN) $(TRAINS)
