# make app: everything needed to use Mergescape.   make test: everything needed to check it.
PYTHON ?= python3
PORT ?= 8501
JOBS ?= 2
BIN := .venv/bin
SOURCES := merging evaluation surrogate study ui demo benchmarks examples tests app.py

.PHONY: app test check lint types imports fix browser screenshots clean demo faults fuzz load audit licences oldest docs bench

app: .venv/app
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: .venv/dev browser
	$(BIN)/python -m pytest --numprocesses $(JOBS) --no-loadscope-reorder

check: lint types imports test

lint: .venv/dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types: .venv/dev
	$(BIN)/mypy

imports: .venv/dev
	$(BIN)/lint-imports

fix: .venv/dev
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

# The documentation as a folder of pages, build/docs/index.html; needs none of the program. Links are
# checked. `python3 -m http.server -d build/docs` serves it with its search.
docs: .venv/docs
	$(BIN)/python -m zensical build --strict --clean

# Every benchmark in its quick form; results in build/bench, made for a quarter of an hour on two cores. PEERS=FOLDER: an
# environment with the peers that stands already.
bench: .venv/dev browser
	$(BIN)/python -m benchmarks.quick $(if $(PEERS),--environment $(PEERS))

demo: .venv/dev
	$(BIN)/python -m demo.make

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Mergescape needs Python 3.11 or newer; found $$($(PYTHON) -V). Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	touch $@

.venv/app: .venv/made requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev: .venv/made requirements.txt requirements-dev.txt requirements-docs.txt requirements-ray.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ .venv/app .venv/docs

.venv/docs: .venv/made requirements-docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	touch $@

# A browser for the browser tests: the system's Chromium if there is one, else the package manager's, else Playwright's own.
browser: .venv/dev
	@command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	  $(BIN)/python -m playwright install chromium || \
	  { echo "No Chromium could be installed. Install one (Debian: apt-get install chromium) and run make again."; exit 1; }

# The long forms: hundreds of kills and every other fault (about ten minutes).
faults: .venv/dev
	$(BIN)/python -m tests.faults

# Hostile input for every parser, ten thousand cases and more (about ten minutes).
fuzz: .venv/dev
	$(BIN)/python -m tests.fuzz

# Every screen in every state, desk and phone, light and dark, into screenshots/.
screenshots: .venv/dev browser
	$(BIN)/python -m benchmarks.screenshots

# Twenty visitors for five minutes while a study runs; writes benchmarks/results/load.json.
load: .venv/dev
	$(BIN)/python -m benchmarks.load

# Known vulnerabilities of what is installed (asks the advisory database: needs the network).
audit: .venv/dev
	$(PYTHON) -m venv .venv/audit && .venv/audit/bin/python -m pip install --quiet pip-audit
	.venv/audit/bin/pip-audit --path $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# docs/licences.md from what is installed.
licences: .venv/dev
	$(BIN)/python .ci/licences.py > docs/licences.md

# The oldest versions that requirements.txt allows, in an environment of their own, and the tests that lean on them.
oldest: .venv/made
	$(PYTHON) -m venv .venv/oldest
	.venv/oldest/bin/python -m pip install --quiet uv
	.venv/oldest/bin/uv pip install --quiet --python .venv/oldest/bin/python --resolution lowest-direct -r requirements-dev.txt
	.venv/oldest/bin/python -m pytest tests/merging tests/evaluation tests/surrogate tests/study tests/ui

clean:
	rm -rf .venv build .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
