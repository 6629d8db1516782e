# make demo    install into .venv and train a tiny Gemma with GRPO, with all sinks on
# make test    install into .venv and run the whole check: format, lint, types, contracts, tests
# make clean   remove .venv, logs and caches

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test format clean

demo: .venv/demo
	$(BIN)/logflume demo

test: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv logs build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.venv/demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[trl,analysis]'
	touch $@

.venv/dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ .venv/demo
