# make run    install into .venv, start the service and say its URL     (make run PORT=9000 EXTRAS=graphs)
# make test   install, then run every test, the browser's included
# make test-graphs  install TensorFlow and ONNX Runtime too, then run the graph lab and what else needs them
# make fuzz   100,000 cases against a live server and its checkpoints, and what some of them cost it: about half an hour
# make faults kill -9, cut wires, reloads and moves at random moments, under a real page
# make test-cluster  several servers behind a real proxy: replaced one by one under load, killed, full
# make soak   20 minutes of random guests: nothing may be left behind or grow  (make soak ARGS='--minutes 3 --seed 11')
# make check  style, types and import directions
# make schema write docs/messages.schema.json from app/messages.py
# make recording  write static/recording.json, which the page plays while the hall is full
# make bench  measure, and append the figures to bench/results.json

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
bin := .venv/bin

.DELETE_ON_ERROR:
.PHONY: run test test-graphs test-cluster fuzz faults soak check format schema recording bench chromium haproxy

run: .venv/run$(if $(EXTRAS),-$(EXTRAS)).stamp
	$(bin)/unrolled serve --host $(HOST) --port $(PORT)

test: .venv/dev.stamp chromium
	$(bin)/pytest -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

test-graphs: .venv/graphs.stamp chromium
	$(bin)/pytest tests/graphs $(ARGS)

fuzz: .venv/dev.stamp
	$(bin)/pytest -n 2 --cases 100000 $(addprefix tests/fuzz/test_,hostile.py endpoints.py machines.py frames.py) $(ARGS)
	$(bin)/pytest tests/fuzz/test_live.py $(ARGS)

faults: .venv/dev.stamp chromium
	$(bin)/pytest tests/faults $(ARGS)

test-cluster: .venv/dev.stamp haproxy
	$(bin)/pytest tests/cluster $(ARGS)

soak: .venv/dev.stamp
	$(bin)/python -m tests.soak $(ARGS)

check: .venv/dev.stamp
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports

format: .venv/dev.stamp
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

schema: .venv/dev.stamp
	$(bin)/python -m app.messages > docs/messages.schema.json

recording: .venv/dev.stamp
	$(bin)/python -m app.recording > static/recording.json

bench: .venv/bench.stamp chromium
	$(bin)/python -m bench $(ARGS)

# torch comes first and by its exact version: newer ones bring gigabytes of CUDA with them.
.venv/torch.stamp: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Unrolled needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	test -x $(bin)/python || $(PYTHON) -m venv .venv
	$(bin)/python -m pip install -q $$(grep '^torch==' constraints.txt)
	touch $@

.venv/run.stamp: .venv/torch.stamp pyproject.toml
	$(bin)/python -m pip install -q -c constraints.txt -e .
	touch $@

.venv/run-$(EXTRAS).stamp: .venv/run.stamp
	$(bin)/python -m pip install -q -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

.venv/dev.stamp: .venv/torch.stamp pyproject.toml
	$(bin)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@ .venv/run.stamp

.venv/bench.stamp: .venv/dev.stamp
	$(bin)/python -m pip install -q -c constraints.txt -e '.[dev,bench]'
	touch $@

.venv/graphs.stamp: .venv/dev.stamp
	$(bin)/python -m pip install -q -c constraints.txt -e '.[dev,graphs]'
	touch $@

chromium:
	@command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || { echo "The browser tests need Chromium and a font with Chinese characters;" \
	  "on Debian: apt-get install chromium-headless-shell fonts-noto-cjk" >&2; exit 1; }

haproxy:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v haproxy >/dev/null || { echo "The tests of several servers need HAProxy;" \
	  "on Debian: apt-get install haproxy" >&2; exit 1; }
