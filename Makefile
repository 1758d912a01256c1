# Every command of the README; each brings what it needs. PYTHON=python3.13 make … chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint bench bench-smoke chaos clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: .venv/.installed ## create .venv with everything in it

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("threadrun needs Python 3.11 or newer: PYTHON=python3.12 make …" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python tests/bring_redis.py
	@touch $@

demo: .venv/.installed ## carry some twenty runs of every kind on this machine, and check every record
	@$(BIN)/python examples/demo.py

test: .venv/.installed ## run every test
	$(BIN)/python -m pytest -n 3 --dist loadfile --durations=15

lint: .venv/.installed ## check style, types and the arrows between the packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples
	$(BIN)/lint-imports

bench: .venv/.installed ## measure against three other ways, and at 50,000 runs in flight (about an hour); figures go to build/bench.json
	$(BIN)/python -m benchmarks --sustained --rate 200 --runs 2000 --repeat 5 --kind "one tool"
	$(BIN)/python -m benchmarks --at-ease --rate 200 --runs 2000 --repeat 3 --kind "no tool" --kind "three tools"
	$(BIN)/python -m benchmarks --only threadrun --only AsyncOpenAI --rate 40 --runs 400 --repeat 3 --as "one rate"
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks --bars

bench-smoke: .venv/.installed ## in a minute: fail if the openai client needs hardly more CPU for a run than we do
	$(BIN)/python -m benchmarks --smoke

chaos: .venv/.installed ## try to break it, in every way there is (about 45 minutes); figures go to build/chaos.json
	@failed=0; for row in $$($(BIN)/python -m tests.chaos); do $(BIN)/python -m tests.chaos $$row || failed=1; done; exit $$failed

chaos-%: .venv/.installed ## one of these experiments: chaos-kill-loop, chaos-deploy, chaos-redis, chaos-http …
	@$(BIN)/python -m tests.chaos $*

clean: ## remove everything that these commands have made
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
