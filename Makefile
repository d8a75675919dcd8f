# The one list of commands: a person and CI call the same. Needs make and Python 3.11 or newer, nothing else.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
HOST := 127.0.0.1
PORT := 8000
BIN := .venv/bin
PIP = $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt
SOURCES := server models loadtest tests docs
# The first Python here that is new enough and can make virtual environments.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: .venv/base ## answer on http://HOST:PORT (127.0.0.1:8000), with the page at /
	@exec $(BIN)/qingmo-serve --host $(HOST) --port $(PORT)

test: .venv/dev ## run the tests; ARGS="-k spans" goes to pytest
	@$(BIN)/python -m pytest $(ARGS)

check: .venv/dev ## format, lint, types, import contracts, docs in step with the code
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m docs.generate --check

format: .venv/dev ## put code into the house's format, and mend what lint can mend
	@$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

docs: .venv/dev ## write the generated parts of the docs and the README anew
	@$(BIN)/python -m docs.generate

answers: .venv/dev ## put the real answers of the server at HOST:PORT into the README's examples
	@$(BIN)/python -m docs.generate.examples --write http://$(HOST):$(PORT)

bench: .venv/dev ## measure this machine: the shipped bundles against BERT-base; ARGS=--quick takes two minutes
	@$(BIN)/qingmo-loadtest compare $(ARGS)

train: .venv/train ## install what training needs (PyTorch, 1 GB), then qingmo-models can train

image: ## build the Docker image qingmo
	docker build --tag qingmo .

constraints: .venv/train ## write constraints.txt from what .venv holds
	@echo "# The exact versions that CI installs, of all that any extra brings in; 'make constraints' writes this." > constraints.txt
	@$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' >> constraints.txt

clean: ## forget the virtual environment and all caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build

.venv/made:
	@test -n "$(PYTHON)" || { echo "qingmo needs Python 3.11 or newer with venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/base: .venv/made pyproject.toml constraints.txt
	@echo "Installing qingmo into .venv (once) ..."
	@$(PIP) --editable .
	@touch $@

.venv/dev: .venv/made pyproject.toml constraints.txt
	@echo "Installing qingmo and its development tools into .venv (once) ..."
	@$(PIP) --editable '.[dev]'
	@touch .venv/base $@

.venv/train: .venv/dev
	@echo "Installing what training needs into .venv (once) ..."
	@$(PIP) --editable '.[dev,train]'
	@touch $@

.PHONY: help serve test check format docs answers bench train image constraints clean
