"""The parts put together: what the page loads, what browsers are told, and the second way to start."""

import gzip
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import brotli
import httpx
import plotly
import pytest
from fastapi.routing import APIRoute

from app.main import create_app
from app.settings import Settings
from model.recipe import Recipe
from tests.conftest import Server
from tests.support.nursery import Forked, World, with_uvicorn
from tests.support.sockets import eventually
from tests.support.viewers import PATIENCE, viewer

PLOTLY = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes()


def script_url(server: Server) -> str:
    found = re.search(r'src="(assets/plotly-[0-9a-f]{16}\.min\.js)"', httpx.get(server.url).text)
    assert found
    return f"{server.url}/{found[1]}"


def raw_get(url: str, encoding: str) -> tuple[httpx.Headers, bytes]:
    with httpx.stream("GET", url, headers={"accept-encoding": encoding}) as response:
        assert response.status_code == 200
        return response.headers, b"".join(response.iter_raw())


def test_the_pages_urls_are_relative_and_name_no_other_host(server: Server) -> None:
    page = httpx.get(server.url).text
    for url in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert not url.startswith(("/", "http", "//")), url


def test_plotly_comes_from_the_installed_package_cacheable_for_ever(server: Server) -> None:
    url = script_url(server)
    assert hashlib.sha256(PLOTLY).hexdigest()[:16] in url
    headers, body = raw_get(url, "identity")
    assert body == PLOTLY
    assert "immutable" in headers["cache-control"]
    assert headers["vary"].lower() == "accept-encoding"


@pytest.mark.parametrize(("encoding", "decode"), [("br", brotli.decompress), ("gzip", gzip.decompress)])
def test_plotly_is_sent_compressed_ahead_of_time(server: Server, encoding: str, decode: Any) -> None:
    for _ in range(300):  # compressed right after the start: until then it comes as it is
        headers, body = raw_get(script_url(server), encoding)
        if headers.get("content-encoding") == encoding:
            break
    assert decode(body) == PLOTLY
    assert len(body) < len(PLOTLY) / 2.5


def test_an_encoding_that_is_refused_is_not_sent(server: Server) -> None:
    headers, body = raw_get(script_url(server), "br;q=0, gzip; q=0.0")
    assert "content-encoding" not in headers
    assert body == PLOTLY


def test_the_pages_files_are_checked_for_a_newer_version(server: Server) -> None:
    first = httpx.get(server.url + "/static/main.js")
    assert first.headers["cache-control"] == "no-cache"
    again = httpx.get(server.url + "/static/main.js", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/main.js", "/nothing", "/docs", "/recipe/schema"])
def test_every_answer_has_the_security_headers(server: Server, path: str) -> None:
    headers = httpx.get(server.url + path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'self';" in policy
    assert [part.split()[0] for part in policy.split("; ") if "unsafe-inline" in part] == ["style-src-attr"]
    assert "frame-ancestors 'self'" in policy
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in headers["permissions-policy"]


@pytest.mark.parametrize("path", ["/static/../app/main.py", "/static/%2e%2e/app/main.py", "/static//etc/passwd"])
def test_nothing_outside_the_static_folder_is_served(server: Server, path: str) -> None:
    assert httpx.get(server.url + path).status_code == 404


def test_the_docs_page_loads_everything_from_this_server(server: Server) -> None:
    page = httpx.get(server.url + "/docs").text
    urls = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(urls) >= 3
    for url in urls:
        assert not url.startswith(("/", "http")), "it works under a prefix"
        assert httpx.get(f"{server.url}/{url}").status_code == 200
    assert httpx.get(server.url + "/openapi.json").status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_no_page_has_a_script_or_a_style_in_it(server: Server, path: str) -> None:
    page = httpx.get(server.url + path).text
    assert re.findall(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|javascript:", page, re.I) == []


def test_the_recipes_schema_is_served(server: Server) -> None:
    served = httpx.get(server.url + "/recipe/schema").json()
    framework = served["properties"]["framework"]
    assert set(framework.pop("missing")) <= {"tensorflow"}, "what this server lacks is no part of the recipe"
    assert framework.pop("not_offered") == [], "all are, unless the operator says otherwise"
    assert served == Recipe.model_json_schema()


def test_every_route_of_the_contract_is_there(tmp_path: Path) -> None:
    app = create_app(Settings(models_dir=tmp_path))
    paths = set(app.openapi()["paths"])
    assert {"/predict", "/models", "/models/{id}", "/recipe/schema", "/healthz", "/readyz", "/metrics"} <= paths
    assert not [route for route in app.routes if isinstance(route, APIRoute) and route.path == "/redoc"]


def test_it_starts_with_uvicorn_app_main_app_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    settings = {"UNROLLED_MODELS_DIR": str(tmp_path)}
    with Forked(["app.main:app", "--port", "0"], os.environ | settings, tmp_path, log, World(), with_uvicorn):
        eventually(lambda: "running on http" in log.read_text(), PATIENCE, "it runs")
        found = re.search(r"running on http://127\.0\.0\.1:(\d+)", log.read_text())
        assert found
        with viewer(f"ws://127.0.0.1:{found[1]}/ws/train") as one:
            one.open(pace="max")
            assert one.updates(3)
