# Everything starts here; `make` lists it.
PYTHON ?= python3
VENV := .venv/bin
# Tests mostly wait. What a module's tests share is started in one worker only.
WORKERS := -n 4 --dist loadfile --no-loadscope-reorder

.PHONY: help run dev test fuzz fuzz-ws check fmt bench bench-fanout chaos lock clean venv

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: venv  ## set everything up and run the server with simulated prices
	@$(VENV)/python -m config.launch run

dev: venv  ## the same; web and feeds restart when a source file changes
	@$(VENV)/python -m config.launch dev

test: venv check  ## lint, types and all tests, against real services
	@$(VENV)/python -m config.launch exec -- \
	    $(VENV)/python -m pytest $(or $(ARGS),$(WORKERS))

fuzz: venv  ## ask REST thousands of things by its schema
	@$(VENV)/python -m config.launch exec -- env FUZZ_EXAMPLES=$(or $(EXAMPLES),1000) \
	    $(VENV)/python -m pytest tests/history/test_rest_fuzz.py $(ARGS)

fuzz-ws: venv  ## send the server 100,000 broken WebSocket frames
	@$(VENV)/python -m config.launch exec -- env FUZZ_FRAMES=$(or $(FRAMES),100000) \
	    $(VENV)/python -m pytest tests/test_malformed.py $(ARGS)

check: venv  ## lint and types
	@$(VENV)/ruff check . && $(VENV)/ruff format --check . && $(VENV)/mypy \
	    && $(VENV)/python -m services page --types

fmt: venv  ## format the code
	@$(VENV)/ruff check --fix . ; $(VENV)/ruff format .

bench: venv  ## print the figures of docs/performance.md
	@$(VENV)/python -m config.launch exec -- $(VENV)/python -m benchmarks $(ARGS)

chaos: venv  ## kill all that a feed stands on for ten minutes, count the ticks
	@$(VENV)/python -m benchmarks.chaos $(ARGS)

bench-fanout: venv  ## print the figures of the fan-out; fails if a limit is missed
	@$(VENV)/python -m config.launch exec -- $(VENV)/python -m benchmarks.fanout $(ARGS)

lock:  ## resolve pyproject's groups into the lock files (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header --group runtime -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header --group dev -o requirements-dev.lock

clean:  ## stop the private services and remove everything that was made here
	$(PYTHON) -m services down --purge
	rm -rf .venv .services .env var staticfiles/* node_modules static/vendor

venv:
	@$(PYTHON) -m services venv --dev
