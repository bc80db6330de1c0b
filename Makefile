# The two commands: `make demo` and `make test`. Both need Python 3.11 or newer and nothing else.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# The face networks are brought once, beside the virtual environment.
export FERGI_MODELS_DIR ?= $(CURDIR)/.venv/models

.PHONY: help demo test models browser check format docs bench clean

help:
	@echo "make demo    the main job on an invented study; prints where to look"
	@echo "make test    the whole test suite"
	@echo "make check   format, lint, types, layers, dependencies"
	@echo "make docs    the documentation, into site/; fails on any warning"
	@echo "make bench   speed and memory, measured on this machine"
	@echo "make format  put the code into shape"
	@echo "make web     the studio's pages; needs Node 20 or newer"
	@echo "make dist    a wheel that carries the built pages, into dist/"
	@echo "make screenshots  a picture of every page of the studio, into docs/images/"
	@echo "make clean   remove what these made"

demo: .venv/installed
	$(BIN)/fergi fetch face-landmarker --quiet
	@rm -rf demo
	$(BIN)/fergi demo --out demo

models: .venv/installed-dev
	@$(BIN)/fergi fetch face-landmarker --quiet || \
		echo "!!! No face networks (reason above): the tests that need them are SKIPPED !!!" >&2

# Pages are tested in a real browser where Node and Chromium are, or can be installed.
browser:
	@missing=""; \
	command -v npm > /dev/null || missing="nodejs npm"; \
	command -v chromium > /dev/null || missing="$$missing chromium"; \
	if test -n "$$missing" && test "$$(id -u)" = 0 && command -v apt-get > /dev/null; then \
		{ apt-get -qq update && apt-get -qq install --no-install-recommends -y $$missing; } > /dev/null; \
	fi || true
	@command -v chromium > /dev/null || test -n "$$FERGI_CHROMIUM" || \
		echo "!!! No Chromium (reason above, if it could be tried; or name one in FERGI_CHROMIUM): the browser tests are SKIPPED !!!" >&2
	@$(MAKE) --no-print-directory web || \
		echo "!!! No pages of the studio (reason above): the browser tests are SKIPPED !!!" >&2

test: .venv/installed-dev models browser
	$(BIN)/python -m pytest --numprocesses auto

check: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: .venv/installed-dev models browser
	$(BIN)/python benchmarks/bench.py
	$(BIN)/python benchmarks/extraction.py
	$(BIN)/python benchmarks/scorers.py
	$(BIN)/python benchmarks/studio.py
	FERGI_MEASURES_SPEED=1 $(BIN)/python -m pytest --quiet tests/browser/test_pages.py -k many_frames_a_second

.PHONY: web check-web dist screenshots

WEB := src/fergi/studio/web
PAGES := src/fergi/studio/pages
WEB_SOURCES := $(shell find $(WEB) src/fergi/weights/shipped -path '*/node_modules' -prune -o -type f -print)

web: $(PAGES)/try.html

$(PAGES)/try.html: $(WEB)/node_modules/.package-lock.json $(WEB_SOURCES)
	npm --prefix $(WEB) run --silent build
	@touch $@

$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json
	@command -v npm > /dev/null || \
		{ echo "Node 20 or newer is needed for the studio's pages, and npm was not found; install Node, or a wheel of fergi, which carries them." >&2; exit 1; }
	npm --prefix $(WEB) ci --silent --no-audit --no-fund
	@touch $@

check-web: $(WEB)/node_modules/.package-lock.json
	npm --prefix $(WEB) run --silent check

dist: web .venv/made
	$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir dist .

screenshots: web .venv/installed-dev
	FERGI_SCREENSHOTS=docs/images/studio $(BIN)/python -m pytest --quiet tests/browser/test_screenshots.py

clean:
	rm -rf .venv demo site bench-out $(PAGES) $(WEB)/node_modules .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.venv/made:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "Python 3.11 or newer is needed; found: $$($(PYTHON) --version 2>&1). Install it, or run: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/installed: .venv/made pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

.venv/installed-dev: .venv/made pyproject.toml constraints.txt
	$(PIP) --editable ".[all,dev]"
	@touch $@ .venv/installed
