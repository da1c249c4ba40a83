# make run    install into .venv, start the service and say its URL     (make run PORT=9000 EXTRAS=graphs)
# make test   install, then run every test, the browser's included
# make test-shaken  the same while three busy loops want the processor too
# make test-graphs  install TensorFlow and ONNX Runtime too, then run the graph lab and what else needs them
# make test-cluster  install Ray too; several servers on a Ray cluster, and behind HAProxy: replaced under load, killed, full
# make fuzz   100,000 cases against a live server and its checkpoints, and what some of them cost it: 11 minutes on two cores
# make faults kill -9, cut wires, reloads and moves at random moments, under a real page
# make soak   20 minutes of random guests: nothing may be left behind or grow  (make soak ARGS='--minutes 3 --seed 11')
# make check  style, types (the page's too, by TypeScript) and import directions
# make schema write docs/messages.schema.json from app/protocol/train.py
# make settings  write docs/settings.md from app/settings.py
# make recording  write static/recording.json, which the page plays while the hall is full
# make lock   write requirements/*.txt, every pin with its hashes, from constraints.txt and pyproject.toml
# make audit  look up known vulnerabilities of all that is pinned; fails where it cannot look
# make licences  write docs/licences.md, what the image ships and under which licence
# make bench  measure, and append the figures to bench/results.json  (make bench ARGS='training --against ../checkout')

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
bin := .venv/bin

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: run test test-shaken test-graphs test-cluster fuzz faults soak check format schema settings recording lock audit licences bench chromium compiler haproxy

run: .venv/run$(if $(EXTRAS),-$(EXTRAS)).stamp .venv/compiled.stamp
	$(bin)/unrolled serve --host $(HOST) --port $(PORT)

all_tests = $(bin)/pytest -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

test: chromium .venv/dev.stamp .venv/compiled.stamp
	$(all_tests)

test-shaken: chromium .venv/dev.stamp .venv/compiled.stamp
	$(bin)/python -m tests.support.shaken $(all_tests)

test-graphs: chromium compiler .venv/graphs.stamp .venv/compiled.stamp
	$(bin)/pytest tests/graphs $(ARGS)

test-cluster: haproxy .venv/cluster.stamp .venv/compiled.stamp
	$(bin)/pytest tests/cluster $(ARGS)

fuzz: .venv/dev.stamp .venv/compiled.stamp
	$(bin)/pytest -n 2 --cases 100000 $(addprefix tests/fuzz/test_,hostile.py endpoints.py machines.py frames.py) $(ARGS)
	$(bin)/pytest tests/fuzz/test_live.py $(ARGS)

faults: chromium .venv/dev.stamp .venv/compiled.stamp
	$(bin)/pytest tests/faults $(ARGS)

soak: .venv/dev.stamp .venv/compiled.stamp
	$(bin)/python -m tests.soak $(ARGS)

check: .venv/typescript.stamp
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports
	$(bin)/node .venv/typescript/node_modules/typescript/bin/tsc -p requirements/typescript
	$(bin)/node .venv/typescript/node_modules/typescript/bin/tsc -p requirements/typescript/tsconfig.strict.json

format: .venv/dev.stamp
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

schema: .venv/dev.stamp
	$(bin)/python -m app.protocol.train > docs/messages.schema.json

settings: .venv/dev.stamp
	$(bin)/python -m app.settings > docs/settings.md

recording: .venv/dev.stamp .venv/compiled.stamp
	$(bin)/python -m app.commands.recording > static/recording.json

bench: chromium .venv/bench.stamp .venv/compiled.stamp
	$(bin)/python -m bench $(ARGS)

lock: .venv/supply.stamp
	.venv/supply/bin/python requirements/lock.py

# Strict: a package that the service cannot be asked about fails too. What is shipped has a verdict of its own.
audit: .venv/supply.stamp
	@failed=0; for pins in $(filter-out %/torch-cpu.txt,$(wildcard requirements/*.txt)); do \
	  echo "$$pins:"; \
	  .venv/supply/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r $$pins $(ARGS) || failed=1; \
	done; exit $$failed

licences: .venv/run.stamp
	$(bin)/python requirements/licences.py > docs/licences.md

# Whatever is installed has one of the hashes in requirements/, or pip refuses it; and nothing is installed that is not there.
install := $(bin)/python -m pip install -q --no-deps --require-hashes
itself := $(bin)/python -m pip install -q --no-deps --no-build-isolation -e . && $(bin)/python -m pip check

.venv/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Unrolled needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	test -x $(bin)/python || $(PYTHON) -m venv .venv
	touch $@

# Without CUDA where an index has it so; else the default index's, on Linux with CUDA: gigabytes of it.
.venv/torch.stamp: requirements/torch-cpu.txt requirements/torch.txt | .venv/python.stamp
	$(install) -r requirements/torch-cpu.txt 2>/dev/null || $(install) -r requirements/torch.txt
	touch $@

.venv/run.stamp: .venv/torch.stamp pyproject.toml requirements/run.txt
	$(install) -r requirements/run.txt
	$(itself)
	touch $@

.venv/run-$(EXTRAS).stamp: .venv/run.stamp requirements/$(EXTRAS).txt
	$(install) -r requirements/$(EXTRAS).txt
	$(itself)
	touch $@

.venv/dev.stamp: .venv/torch.stamp pyproject.toml requirements/run.txt requirements/dev.txt
	$(install) -r requirements/run.txt -r requirements/dev.txt
	$(itself)
	touch $@ .venv/run.stamp

# What learns is compiled before the first start waits for it, and again when it has changed.
.venv/compiled.stamp: .venv/run.stamp $(wildcard model/compiled/*.py) model/optimizer.py
	$(bin)/python -m model.compiled
	touch $@

.venv/bench.stamp: .venv/dev.stamp requirements/bench.txt
	$(install) -r requirements/bench.txt
	$(itself)
	touch $@

.venv/graphs.stamp: .venv/dev.stamp requirements/graphs.txt
	$(install) -r requirements/graphs.txt
	$(itself)
	touch $@

.venv/supply.stamp: requirements/supply.txt | .venv/python.stamp
	test -x .venv/supply/bin/python || $(PYTHON) -m venv .venv/supply
	.venv/supply/bin/python -m pip install -q --no-deps --require-hashes -r requirements/supply.txt
	touch $@

# Node and npm come in a wheel. npm takes TypeScript from the registry that it is set up for, and only with the hashes of the lock.
.venv/typescript.stamp: .venv/dev.stamp requirements/typescript.txt $(wildcard requirements/typescript/package*.json)
	$(install) -r requirements/typescript.txt
	$(itself)
	mkdir -p .venv/typescript && cp requirements/typescript/package*.json .venv/typescript/
	$(bin)/npm ci --prefix .venv/typescript --ignore-scripts --no-audit --no-fund --silent
	touch $@

.venv/cluster.stamp: .venv/dev.stamp requirements/ray.txt
	$(install) -r requirements/ray.txt
	$(itself)
	touch $@

# What pip cannot install is asked for first, before anything slow begins.
chromium:
	@command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || { echo "The browser tests need Chromium;" \
	  "on Debian: apt-get install chromium-headless-shell fonts-noto-cjk" >&2; exit 1; }
	@! command -v fc-list >/dev/null || fc-list :lang=zh | grep -q . || { echo "The browser tests need a font with Chinese characters;" \
	  "on Debian: apt-get install fonts-noto-cjk" >&2; exit 1; }

compiler:
	@command -v g++ >/dev/null || command -v clang++ >/dev/null || { echo "The graph lab's tests need a C++ compiler and Python's headers;" \
	  "on Debian: apt-get install g++ python3-dev" >&2; exit 1; }

haproxy:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v haproxy >/dev/null || { echo "The tests of several servers need HAProxy;" \
	  "on Debian: apt-get install haproxy" >&2; exit 1; }
