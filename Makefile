# How to work on notebook-ci: CONTRIBUTING.md. Needs Python 3.11 to 3.14 (with venv), git and make; gets the rest itself.

SHELL := /bin/bash
DEV := bash scripts/launch.sh --env dev --exec
# If set, as in CI, a skipped test fails.
NO_SKIPS ?=
# Most tests wait for other processes, or for the network.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
# Arguments of `make bench`: `ARGS=--help` lists them.
ARGS ?=
MUTANTS := .notebook-ci/mutants
MUTMUT := bash $(CURDIR)/scripts/launch.sh --env mutants --exec mutmut
PYTEST := $(DEV) python -m pytest $(if $(NO_SKIPS),--no-skips)

.PHONY: help demo test pytest lint static unit mutants lock pins release docs bench

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

demo: ## run the suite on a copy of examples/penguins
	@bash scripts/launch.sh --env setup-env --exec python scripts/dev/demo.py

test: ## everything: static checks, unit, contract, integration and end-to-end tests
	@$(DEV) python -c "" # the tools of development, installed once for both
	@$(MAKE) --no-print-directory -j2 static pytest

# The longest tests first, or the others are long done when they end.
pytest:
	$(PYTEST) -n $(WORKERS) --dist worksteal tests/e2e tests/integration tests/contract tests/unit

lint: static ## static checks, and what must agree with each other
	$(PYTEST) -n $(WORKERS) tests/contract

static:
	$(DEV) ruff check
	$(DEV) ruff format --check
	$(DEV) mypy scripts tests/conftest.py tests/unit tests/contract tests/integration
	$(DEV) mypy tests/e2e # apart, because it has a conftest.py at the top of its path too

unit: ## the fast tests alone
	$(PYTEST) -n auto tests/unit

mutants: ## change the pure modules line by line, and list the changes that no test notices
	rm -rf $(MUTANTS) && mkdir -p $(MUTANTS) && cp -r scripts/notebook_ci tests pyproject.toml $(MUTANTS)
	cd $(MUTANTS) && $(MUTMUT) run && $(MUTMUT) results
	@echo 'To see one: cd $(MUTANTS) && $(MUTMUT) show NAME'

lock: ## renew requirements/*.txt from requirements/*.in
	$(DEV) python scripts/dev/lock.py --upgrade

pins: ## renew the pins of actions, in workflows and READMEs
	$(DEV) python scripts/dev/pins.py

release: ## prepare a release; VERSION=1.2.3
	$(DEV) python scripts/dev/release.py prepare "$(VERSION)"

docs: ## renew what is generated from the stages' models
	$(DEV) python scripts/dev/docs.py

bench: ## measure the promised performance; ARGS="--rounds 5 --only trivial-8"
	$(DEV) python scripts/dev/bench $(ARGS)
