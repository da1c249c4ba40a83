"""What probes and Prometheus hear."""

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from app.protocol.probes import Status
from app.routes import probes as ops
from app.telemetry.metrics import Metrics
from tests.support.sockets import eventually
from tests.support.viewers import viewer


def get(path, metrics=None, status="ok"):
    """The answer of an app that has nothing but these routes."""
    app = FastAPI()
    app.include_router(ops.routes(metrics or Metrics(), SimpleNamespace(status=status)))

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get(path)

    return asyncio.run(ask())


def number(text, name):
    (line,) = [line for line in text.splitlines() if line.startswith(name + " ")]
    return float(line.rsplit(" ", 1)[1])


def test_alive_whatever_the_readiness():
    for status in get_args(Status):
        answer = get("/healthz", status=status)
        assert answer.status_code == 200
        assert answer.json() == {"status": "ok"}
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("status", get_args(Status))
def test_ready_only_while_more_may_come(status):
    answer = get("/readyz", status=status)
    assert answer.status_code == (200 if status == "ok" else 503)
    assert answer.json() == {"status": status}


def test_every_number_of_the_service_is_exposed():
    metrics = Metrics()
    metrics.viewers.inc(3)
    metrics.updates.inc(7)
    metrics.tick_seconds.observe(0.003)
    metrics.predictions.inc()
    metrics.prediction_seconds.observe(0.2)
    metrics.refusals.labels(reason="busy").inc()
    answer = get("/metrics", metrics)
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    text = answer.text
    assert number(text, "unrolled_viewers") == 3
    assert number(text, "unrolled_tasks") == 1, "the one that answers"
    assert number(text, "unrolled_updates_total") == 7
    assert number(text, 'unrolled_tick_seconds_bucket{le="0.005"}') == 1
    assert number(text, "unrolled_predictions_total") == 1
    assert number(text, "unrolled_prediction_seconds_sum") == pytest.approx(0.2)
    assert number(text, "unrolled_prediction_queue") == 0
    assert number(text, 'unrolled_refusals_total{reason="busy"}') == 1


def test_two_apps_in_one_process_count_apart():
    first, second = Metrics(), Metrics()
    first.predictions.inc()
    assert number(get("/metrics", second).text, "unrolled_predictions_total") == 0


def test_the_real_server_is_alive_ready_and_counts_what_it_refuses(server_url):
    with httpx.Client(base_url=server_url, timeout=30) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        eventually(lambda: client.get("/readyz").json() == {"status": "ok"}, 30, "its training process is up")
        client.post("/predict", json={"sequence": []})
        client.post("/predict", json={"sequence": [0.5]})
        text = client.get("/metrics").text
    assert number(text, 'unrolled_refusals_total{reason="out_of_range"}') >= 1
    assert number(text, "unrolled_predictions_total") >= 1
    assert number(text, "process_resident_memory_bytes") > 0


def test_errors_of_the_router_have_the_shape_of_all_others(server_url):
    with httpx.Client(base_url=server_url, timeout=30) as client:
        missing = client.get("/no/such/thing")
        wrong = client.delete("/predict")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["Allow"] == "POST"


def test_a_method_that_there_is_not_is_told_all_that_there_are(server_url):
    answer = httpx.delete(server_url + "/models", timeout=30)
    assert answer.status_code == 405
    assert {method.strip() for method in answer.headers["Allow"].split(",")} == {"GET", "POST"}


def families(text):
    """Name, type and label names of every metric that is exposed."""
    return {
        family.name: (family.type, {label for sample in family.samples for label in sample.labels} - {"le"})
        for family in text_string_to_metric_families(text)
    }


def test_every_metric_is_documented_with_its_labels_and_every_documented_one_is_there(server):
    with viewer(server.ws) as one:
        one.open(play=False)
    httpx.post(server.url + "/predict", json={"sequence": []})
    eventually(
        lambda: "unrolled_websockets_closed" in httpx.get(server.url + "/metrics").text, 30, "its end is counted"
    )
    there = families(httpx.get(server.url + "/metrics").text)
    section = Path("docs/operations.md").read_text().partition("## Metrics")[2]
    rows = re.findall(r"^\| `(\w+)\*?` \| (\w*) \| (.*?) \|", section, re.MULTILINE)
    told = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert told
    kinds = {"state": "gauge", "info": "gauge"}
    for name, (kind, labels) in told.items():
        if name.endswith("process_"):
            assert any(one.startswith(name) for one in there), name
            continue
        exposed = there.pop(f"{name}_info" if kind == "info" else name)
        assert exposed == (kinds.get(kind, kind), labels), name
    assert {one for one in there if not re.match("(unrolled_training_)?process_", one)} == set()


def test_labels_have_no_value_from_outside(server):
    with httpx.Client(base_url=server.url, timeout=30) as client:
        client.get("/models/evil-1")
        client.get("/evil-2")
        client.get("/static/evil-3")
        client.request("PROPFIND", "/predict")
        client.post("/predict", json={"evil-5": 1, "model": "evil-6"})
        with viewer(server.ws) as one:
            one.refusal(type="evil-7")
            one.socket.close(4321, "evil-8")
        eventually(lambda: 'code="other"' in client.get("/metrics").text, 30, "the close is counted")
        text = client.get("/metrics").text
    assert "evil" not in text.lower()
    assert 'code="4321"' not in text, "a number may have these digits"
    assert "PROPFIND" not in text
    assert 'route="/models/{id}"' in text
    assert 'method="other",route="/predict",status="405"' in text
    assert 'route="none",status="404"' in text
