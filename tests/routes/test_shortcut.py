"""The short way to /predict gives what the route gives: headers, refusals, counts, and a 500 for a bug of ours."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.inference.predictor import Predictor
from app.main import create_app
from app.settings import Settings
from tests.conftest import Server

BODY = {"sequence": [0.0, 0.5, 1.0]}


def post(folder: Path, path: str, root_path: str = "") -> httpx.Response:
    """One request to an app of its own, without a socket."""

    async def asked() -> httpx.Response:
        app = create_app(Settings(models_dir=folder))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(path, json=BODY)

    return asyncio.run(asked())


@pytest.mark.parametrize(("body", "status"), [(BODY, 200), ({}, 422)])
def test_predictions_and_refusals_have_the_security_headers(server: Server, body: dict[str, Any], status: int) -> None:
    answer = httpx.post(server.url + "/predict", json=body)
    page = httpx.get(server.url)
    assert answer.status_code == status
    for name in ("content-security-policy", "x-content-type-options", "referrer-policy", "permissions-policy"):
        assert answer.headers[name] == page.headers[name]


def test_a_refused_prediction_is_counted(server: Server) -> None:
    counter = 'unrolled_refusals_total{reason="unknown_model"}'
    body = BODY | {"model": "nothing"}
    httpx.post(server.url + "/predict", json=body)  # a reason is listed from its first time on
    before = server.metric(counter)
    assert httpx.post(server.url + "/predict", json=body).status_code == 404
    assert server.metric(counter) == before + 1


def test_another_method_is_refused_as_anywhere(server: Server) -> None:
    answer = httpx.get(server.url + "/predict")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json()["code"] == "method_not_allowed"


def test_under_a_prefix_the_answer_is_the_same(tmp_path: Path) -> None:
    short, routed = post(tmp_path, "/predict"), post(tmp_path, "/demo/predict", "/demo")
    assert short.status_code == routed.status_code == 200
    assert short.content == routed.content
    assert short.headers == routed.headers


def test_a_bug_of_ours_is_a_500_in_the_usual_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Predictor, "predict", broken)
    answer = post(tmp_path, "/predict")
    assert answer.status_code == 500
    assert answer.json()["code"] == "failed"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
