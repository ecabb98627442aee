# make findings   install, train, analyse, and write runs/quick/FINDINGS.md
# make test       install and run every check but those of `make long` and `make fuzz`
# make check      format, lint, types, architecture and all tests but the slow ones, in an environment that exists
# make long       tests that take many minutes: what the loss decides in every author's style
# make fuzz       10,000 damaged, senseless and malicious files, each of which opens or is refused in one line
# make docs       the documentation as a site, in build/site, with every link checked
# make bench      ours and its peers side by side, and write benchmarks/RESULTS.md
# make exchange   exported models, opened by transformers and TransformerLens in an environment of their own
PYTHON ?= python3
BIN := .venv/bin

.PHONY: findings test check format env notebooks bench docs exchange fuzz long

findings: env
	@$(BIN)/nanoscope study quick

test: env
	@$(MAKE) --no-print-directory check TESTS='-m "not long"'

TESTS := -m "not slow and not long"
check:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)

long:
	$(BIN)/pytest -m long

fuzz:
	@for seed in $$(seq 1 20); do \
		NANOSCOPE_FUZZ=500 $(BIN)/pytest -q tests/checkpoints/test_damaged_files.py -k "any_file or any_vocabulary" \
			--hypothesis-seed=$$seed || exit 1; \
	done

format:
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: env
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/stages.py
	$(BIN)/python benchmarks/edges.py

exchange: env
	@test -x .exchange/bin/python || ($(PYTHON) -m venv .exchange && .exchange/bin/pip install -q "torch>=2.11,<2.14" "transformer-lens<4")
	$(BIN)/python scripts/check_exchange.py .exchange/bin/python

notebooks: env
	$(BIN)/python scripts/build_notebooks.py

docs: env
	@$(BIN)/python -c "import mkdocs, material, mkdocstrings_handlers.python" 2> /dev/null || $(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[docs]'
	@$(BIN)/python scripts/build_docs.py

env:
	@$(PYTHON) scripts/bootstrap.py
