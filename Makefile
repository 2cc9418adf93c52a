# SPDX-License-Identifier: GPL-2.0-or-later
#
# The two commands to know: `make demo` and `make test`. Both set up what they need.

VENV    := .venv
BIN     := $(VENV)/bin
# The interpreter to build the environment with; empty: the first suitable one.
PYTHON  ?=
# What `make demo` shows.
DEMO    := replay --maps --story examples/python-rlimit-as
# More arguments for pytest, as in: make test ARGS='-k merge'
ARGS    ?=
# A process for each core.
PYTEST   = $(BIN)/python -m pytest -n auto --dist worksteal
# Where the development recordings are, if anywhere.
VMALAB_RECORDINGS ?= $(wildcard ../shared/recordings)

# For `make check-kernels`: the kernels in QEMU, and how many calls are compared on each.
KERNELS ?= 5.10 6.1 6.12 6.16 6.17 6.18 6.19 7.0 7.1 7.2 7.3
CALLS   ?= 200000
# For `make check-mutants`: the kernel that shows what is wrong, and how many calls it may take.
MUTANTS_ON   ?= 7.3
MUTANT_CALLS ?= 400000
# For `make check-trees`: kernel source trees, and how many calls are compared on each.
TREES      ?= $(wildcard $(or $(VMALAB_CACHE),$(HOME)/.cache/vmalab)/sources/linux-source-*)
TREE_CALLS ?= 100000
# For `make kernels` and `make trees`: only these series; empty: all.
SERIES  ?=

SETUP   := PYTHON='$(PYTHON)' tools/venv.sh $(VENV)

.DEFAULT_GOAL := help
.NOTPARALLEL:
COVERED := vmalab.linux.mm.vma,vmalab.linux.mm.vma_exec,vmalab.linux.mm.vma_init

.PHONY: docs wheel drawings bench bench-check instructions compiled optimised test-interpreted test-slow coverage help demo test lint check test-recordings format features dev clean kernels own-kernel check-kernels check-mutants trees check-trees

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

demo: ## replay a real process and show the verdict, the maps and the story
	@$(SETUP) frames
	$(BIN)/vmalab $(DEMO)
	@$(BIN)/vmalab --version | grep -q "engine: compiled" || echo \
		"(The engine ran interpreted. make compiled, then PYTHONPATH=build/compiled: a long log takes a seventh of the time.)"

# Which tests are those of the engine is said in tests/conftest.py.
test: ## run the tests: those of the engine with it compiled, if it can be, the others with it interpreted
	@$(SETUP) test compile $(EXTRAS)
	@$(BIN)/python tools/run_tests.py $(ARGS)

test-interpreted: ## run all tests with the engine interpreted
	@$(SETUP) test
	VMALAB_TEST_MODE=interpreted $(PYTEST) $(ARGS)

test-slow: override ARGS += -m slow
# They build the site and a wheel, run the notebook and a Dask cluster, and have types checked.
test-slow: EXTRAS := docs fleet notebook wheel lint types
test-slow: test ## run the tests that make test leaves out because they take many seconds

compiled: ## compile the engine into build/compiled; PYTHONPATH=build/compiled selects it
	@$(SETUP) compile
	@$(BIN)/python tools/compiled.py

optimised: ## the same into build/optimised, with all that optimising can do
	@$(SETUP) compile
	@$(BIN)/python tools/compiled.py --optimised

docs: ## build the manual as a site into build/site; a warning fails
	@$(SETUP) docs
	PYTHONPATH=src NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

wheel: ## build a source archive and a wheel with the engine compiled into dist
	@$(SETUP) wheel
	VMALAB_COMPILE=1 $(BIN)/python -m build --outdir dist
	PATH='$(abspath $(BIN))':"$$PATH" $(BIN)/python tools/repair.py dist

bench: ## measure the compiled engine against this machine's kernel (ARGS='dense --json')
	@$(SETUP) compile bench
	@$(BIN)/python tools/compiled.py --optimised
	PYTHONPATH=build/optimised $(BIN)/vmalab bench $(ARGS)

bench-check: ## compare the speed with the commit that kept the last result, in turn (ARGS='--base REV dense')
	@$(SETUP) compile bench
	$(BIN)/python tools/bench_check.py $(ARGS)

instructions: ## count the instructions of fixed work under valgrind (ARGS=--keep)
	@$(SETUP) compile bench
	@$(BIN)/python tools/compiled.py --optimised
	PYTHONPATH=build/optimised $(BIN)/python tools/instructions.py $(ARGS)

coverage: ## show which branches of the VMA core the case files take
	@$(SETUP) test coverage
	@mkdir -p build
	COVERAGE_FILE=build/.coverage $(BIN)/python -m coverage run --branch --source=$(COVERED) -m vmalab.cli.main test
	COVERAGE_FILE=build/.coverage $(BIN)/python -m coverage report --show-missing --skip-covered

lint: ## check format, style, types, layers and the house rules
	@$(SETUP) test lint
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/lint.py

check: test lint ## run the tests and the checks

test-recordings: ## replay the development recordings (VMALAB_RECORDINGS=DIR)
	@if [ ! -d '$(VMALAB_RECORDINGS)' ]; then \
		echo 'vmalab: no development recordings here$(VMALAB_RECORDINGS:%=: % is not a directory).' >&2; \
		echo 'vmalab: name the directory that holds golden/ and real/: make test-recordings VMALAB_RECORDINGS=DIR' >&2; \
		exit 1; \
	fi
	@$(SETUP) test
	VMALAB_RECORDINGS='$(abspath $(VMALAB_RECORDINGS))' $(BIN)/python -m pytest -m recordings tests/recordings $(ARGS)

kernels: ## fetch Debian's cloud kernels for QEMU into the cache (SERIES='6.12 7.3')
	$(or $(PYTHON),python3) tools/kernels.py $(SERIES)

own-kernel: ## build a kernel with names of anonymous memory and the kernel's own checks
	$(or $(PYTHON),python3) tools/own_kernel.py

check-kernels: ## compare the model with all fetched kernels in QEMU, calls and programs, and live (CALLS=N)
	@$(SETUP) compile
	@$(BIN)/python tools/compiled.py --optimised || test $$? -eq 3
	PYTHONPATH=build/optimised $(BIN)/python tools/check_kernels.py --calls $(CALLS) $(KERNELS:%=qemu:%) live

check-mutants: ## put historic bugs into the model: does a check find each? (MUTANTS_ON=7.3)
	@$(SETUP)
	$(BIN)/vmalab check --mutant all --target qemu:$(MUTANTS_ON) --jobs 2 \
		--seed 1 --calls $(MUTANT_CALLS) --save build/mutants

trees: ## fetch Debian's kernel sources into the cache, for check-trees (SERIES=7.3)
	$(or $(PYTHON),python3) tools/trees.py $(SERIES)

check-trees: ## the cases and random calls on the code of kernel trees, historic bugs on the last (TREES=PATHS)
	@$(SETUP)
	@status=0; $(BIN)/python tools/check_trees.py --calls $(TREE_CALLS) $(TREES) || status=$$?; \
	[ $$status -gt 1 ] || $(BIN)/python tools/tree_bugs.py $(lastword $(TREES)) tests/data/tree_bugs/7.3.edits || status=1; \
	exit $$status

.PHONY: check-new-trees
check-new-trees: ## the same on all sources that Debian has now, in their newest point releases: what broke? (REPORT=FILE)
	@$(SETUP)
	$(BIN)/python tools/check_trees.py --offered --calls $(TREE_CALLS) $(REPORT:%=--report '%')

format: ## let ruff format the code and fix what it can
	@$(SETUP) lint
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

features: ## make the engine's class of version properties, and the manual's page, from their table
	@$(SETUP) test
	$(BIN)/python tools/features.py

drawings: ## draw the manual's pictures of VMAs anew, from logs that the model carries out
	@$(SETUP) test
	$(BIN)/python tools/drawings.py

dev: ## set up everything that developing needs, run nothing
	@$(SETUP) test lint

clean: ## remove the environment, caches and build output
	rm -rf $(VENV) .venv-3.* .venv*.log build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
