# make demo         install into .venv and train a tiny Gemma with GRPO, with all sinks
# make test         install into .venv and run all checks: format, lint, types, layers, tests
# make test-long    run the tests with more examples, seeds and rounds
# make test-pythons run the tests with Python 3.12 and 3.13
# make test-compat  run the tests of the trainers with TRL 1.0, 1.9 and the latest version
# make docs         build the documentation into build/site; open build/site/index.html
# make pictures     draw the pictures of the README and the documentation again
# make notebooks    execute the notebooks on new runs of the demo, and store their outputs
# make torture      kill, break and overload runs for five minutes, and count lost events
# make torture-long the same for an hour
# make bench-read   compare queries of ten million events and of a thousand runs; 20 GB in DIR
# make bench        compare the cost of logging, update docs/benchmarks.md; 15 minutes, QUICK=1: 2
# make bench-ui     measure the page on large runs, 3 GB in DIR; 10 minutes, QUICK=1: 2
# make bench-diagnosis  measure recall, delay and false alarms of the diagnosis on labelled runs
# make format       format the code and fix lint errors
# make clean        remove .venv, build products and caches, but no runs
# make clean-logs   remove the runs: the folders logs, logs-hack and logs-long

PYTHON ?= python3
PYTHONS ?= python3.12 python3.13
WORKERS ?= auto
DIR ?= logs-big
BIN := .venv/bin

.PHONY: demo test test-long test-pythons test-compat docs pictures notebooks torture torture-long bench bench-read bench-ui bench-diagnosis format clean clean-logs

demo: .venv/demo
	$(BIN)/logflume demo

test: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --numprocesses $(WORKERS)

test-long: .venv/dev
	LONG=1 $(BIN)/python -m pytest --numprocesses $(WORKERS)

# Other versions of Python, where they are installed: make test-pythons PYTHONS="python3.12"
test-pythons:
	for python in $(PYTHONS); do \
	    $$python -m venv .venv/$$python && \
	    .venv/$$python/bin/pip install --quiet --constraint constraints.txt --editable '.[dev]' && \
	    .venv/$$python/bin/python -m pytest --numprocesses $(WORKERS) || exit 1; \
	    rm -rf .venv/$$python; \
	done

# TRL before 1.10 imports `requests` without declaring it.
test-compat:
	for version in 1.0.0 1.9.0 ""; do \
	    $(PYTHON) -m venv .venv/compat && \
	    .venv/compat/bin/pip install --quiet torch==2.13.0 "trl$${version:+==$$version}" requests pytest hypothesis && \
	    .venv/compat/bin/pip install --quiet --editable . && \
	    .venv/compat/bin/python -m pytest tests/training || exit 1; \
	    rm -rf .venv/compat; \
	done

docs: .venv/docs
	$(BIN)/python -m tests.docs.site_source
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Needs Chromium on the path.
pictures: .venv/dev
	$(BIN)/python -m tests.docs.layers_picture
	$(BIN)/python -m tests.docs.screenshots

# Notebook 03 needs a longer run, because the system is sampled every ten seconds only. Store the
# times of notebook 04 only from an otherwise idle machine.
notebooks: .venv/dev
	$(BIN)/logflume demo
	$(BIN)/logflume demo --lenient-format --dir logs-hack
	$(BIN)/logflume demo --steps 400 --dir logs-long
	$(BIN)/python -m tests.notebooks 01 02 04
	LOGFLUME_RUN_FOLDER=logs-long/latest $(BIN)/python -m tests.notebooks 03

torture: .venv/dev
	$(BIN)/python -m tests.torture --seconds 300

torture-long: .venv/dev
	$(BIN)/python -m tests.torture --seconds 3600

# The compared libraries have a virtual environment of their own: they limit protobuf and pyarrow.
bench: .venv/bench/installed
	.venv/bench/bin/python -m tests.benchmarks.cost $(if $(QUICK),--quick)

bench-diagnosis: .venv/dev
	$(BIN)/python -m tests.diagnosis.bench

bench-ui: .venv/dev
	$(BIN)/python -m tests.benchmarks.page --dir $(DIR) $(if $(QUICK),--quick)

bench-read: .venv/dev
	$(BIN)/python -m tests.benchmarks.read_cost --dir $(DIR)

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis

clean-logs:
	rm -rf logs logs-hack logs-long

.venv/demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[trl,analysis,ui]'
	touch $@

.venv/docs: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

.venv/bench/installed: pyproject.toml tests/benchmarks/requirements.txt
	$(PYTHON) -m venv .venv/bench
	.venv/bench/bin/pip install --quiet --editable '.[trl]' -r tests/benchmarks/requirements.txt
	touch $@

.venv/dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ .venv/demo .venv/docs
