# flatrank: `make demo` and `make test` need Python 3.11 (or later) and nothing else.
# Each makes the environment it needs in $(VENV), once, and again when pyproject.toml changes.
# PYTHON=python3.12 chooses the interpreter, VENV=folder another environment.

VENV ?= .venv
PYTHON ?=
RUN := $(VENV)/bin
# Certificates that `make audit` asks for.
TRIES ?= 2000
TWICE := --numprocesses 2 --dist worksteal
# Where single functions are tested, calls are held to the shapes they declare; a solve, which makes
# thousands of them, takes half as long again.
SHAPES := tests/certificates tests/kernels tests/laws tests/problems tests/theory
# One stamp for each set of extras and each interpreter asked for.
WITH := $(VENV)/.with$(subst /,-,$(PYTHON))

.PHONY: help demo test test-all lint format types contracts docs bench audit dist clean
.NOTPARALLEL:

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: $(WITH)-all  ## complete real film ratings, prove the answer, recommend, write a report
	$(RUN)/flatrank complete movielens_latest_small_2016 --out demo-run --force
	$(RUN)/flatrank recommend demo-run --row 15 --top 5
	$(RUN)/flatrank recommend demo-run --row 73 --top 5
	@echo "The report: demo-run/report.html"

test: $(WITH)-dev  ## the tests, without those marked slow
	FLATRANK_CHECK_SHAPES=1 $(RUN)/python -m pytest $(TWICE) $(SHAPES)
	$(RUN)/python -m pytest $(TWICE) $(addprefix --ignore=,$(SHAPES))

test-all: $(WITH)-dev $(WITH)-docs $(WITH)-browser  ## every test
	FLATRANK_CHECK_SHAPES=1 $(RUN)/python -m pytest $(TWICE) -m "" $(SHAPES)
	$(RUN)/python -m pytest $(TWICE) -m "" $(addprefix --ignore=,$(SHAPES))

lint: $(WITH)-dev  ## style: ruff
	$(RUN)/ruff check
	$(RUN)/ruff format --check

format: $(WITH)-dev  ## what ruff can put right by itself
	$(RUN)/ruff check --fix
	$(RUN)/ruff format

contracts: $(WITH)-dev  ## what may import what: import-linter
	$(RUN)/lint-imports --no-logo

types: $(WITH)-dev  ## pyright
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(RUN)/pyright --pythonpath $(RUN)/python

docs: $(WITH)-docs  ## the documentation, into site/
	NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --strict

bench: $(WITH)-dev  ## time and accuracy, side by side with the peers that are installed
	$(RUN)/python -m benchmarks

audit: $(WITH)-dev  ## false claims looked for, against an interior-point method; TRIES=100000 for a nightly run
	$(RUN)/python -m audit --tries $(TRIES) --processes 2 --results audit-run.json

dist: $(WITH)-dist  ## the wheel and the source archive, as they would be uploaded, checked
	rm -rf dist
	$(RUN)/python -m build
	$(RUN)/twine check --strict dist/*

clean:  ## what the commands above left, all but the environment
	rm -rf build dist site demo-run audit-run.json .pytest_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache
	find flatrank tests benchmarks audit -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(WITH)-%: pyproject.toml .ci/environment
	@PYTHON='$(PYTHON)' .ci/environment '$(VENV)' '$*'
	@touch '$@'
