"""The token: who has it is let in everywhere, who has not is let in nowhere, and it is told to nobody."""

import os
import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pydantic import SecretStr, ValidationError
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from app.cli import main
from app.main import create_app
from app.security.token import Lock
from app.settings import Settings
from tests.conftest import Server, running
from tests.support.nursery import Forked, World, with_uvicorn
from tests.support.sockets import closed, eventually
from tests.support.viewers import PATIENCE, viewer
from tests.support.visits import DESK, SECONDS, WIRES

TOKEN = "open-sesame.0123456789_~"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
BODY = {"sequence": [0.0, 0.5, 1.0]}
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("private"), token=TOKEN, log_level="debug") as server:
        yield server
        log = server.log.read_text()
        assert "Traceback" not in log
        assert TOKEN not in log


def given(private: Server) -> str:
    """A browser's cookie, as it sends it back."""
    (cookie,) = SimpleCookie(httpx.get(f"{private.url}/?token={TOKEN}").headers["set-cookie"]).values()
    return f"{cookie.key}={cookie.value}"


def opened_by(private: Server, headers: dict[str, str]) -> list[int]:
    """Status codes of a page, of the short way and of a route."""
    with httpx.Client(base_url=private.url, headers=headers) as client:
        answers = client.get("/"), client.post("/predict", json=BODY), client.get("/models")
    return [answer.status_code for answer in answers]


ROUTES = [
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/static/main.js"),
    ("GET", "/static-offline-docs/swagger-ui.css"),
    ("GET", "/metrics"),
    ("GET", "/recipe/schema"),
    ("GET", "/models"),
    ("GET", "/models/sine"),
    ("GET", "/models/sine/onnx"),
    ("GET", "/no/such/thing"),
    ("POST", "/predict"),
    ("POST", "/models"),
    ("POST", "/onnx"),
    ("POST", "/receipt"),
    ("POST", "/script"),
    ("POST", "/qr"),
    ("POST", "/lessons/detach"),
    ("DELETE", "/predict"),
]


def test_the_list_below_has_every_route(tmp_path: Path) -> None:
    documented = create_app(Settings(models_dir=tmp_path)).openapi()["paths"]
    everywhere = {(method.upper(), path) for path, methods in documented.items() for method in methods}
    listed = {(method, path.replace("sine", "{id}")) for method, path in ROUTES}
    assert everywhere - listed == {("GET", "/healthz"), ("GET", "/readyz")}


def test_the_api_description_says_what_asks_for_a_token(private: Server, server: Server) -> None:
    described = httpx.get(private.url + "/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert described["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert described["security"] == [{"token": []}]
    operations = {path: one for path, methods in described["paths"].items() for one in methods.values()}
    assert {path for path, one in operations.items() if one.get("security") == []} == {"/healthz", "/readyz"}
    assert {path for path, one in operations.items() if "401" not in one["responses"]} == {"/healthz", "/readyz"}
    assert "Problem" in described["components"]["schemas"]
    assert "security" not in httpx.get(server.url + "/openapi.json").json()


def test_the_log_tells_a_wrong_token_from_none(private: Server) -> None:
    for path, headers in (("/models", {}), ("/qr", {"Authorization": "Bearer of-another-server-than-this"})):
        httpx.get(private.url + path, headers=headers)
    lines = [line for line in private.log.read_text().splitlines() if "turned away" in line]
    assert any("/models" in line and "no token" in line for line in lines)
    assert any("/qr" in line and "token is wrong" in line for line in lines)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nothing_answers_without_the_token(private: Server, method: str, path: str) -> None:
    answer = httpx.request(method, private.url + path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.json()["code"] == "token_needed"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/static/style.css", "/static/token.css"])
def test_probes_and_the_looks_of_the_page_that_asks_need_none(private: Server, path: str) -> None:
    assert httpx.get(private.url + path).status_code in (200, 503)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer open-sesame.0123456789_~x"},
        {"Authorization": "Bearer open-sesame.0123456789_"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer \u00e9"},
        {"Cookie": f"unrolled={TOKEN}"},
        {"Cookie": "; ;=;a"},
    ],
)
def test_what_is_not_the_token_opens_nothing(private: Server, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    assert opened_by(private, raw) == [401, 401, 401]  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_program_sends_it_as_a_bearer(private: Server, scheme: str) -> None:
    assert opened_by(private, {"Authorization": f"{scheme} {TOKEN}"}) == [200, 200, 200]


def test_an_address_with_the_token_gives_a_cookie_and_leads_to_the_address_without_it(private: Server) -> None:
    answer = httpx.get(f"{private.url}/?lang=zh&token={TOKEN}&x=%20")
    assert answer.status_code == 303
    assert answer.headers["location"] == "./?lang=zh&x=+"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    header = answer.headers["set-cookie"]
    parts = {part.strip().lower() for part in header.split(";")[1:]}
    assert parts == {"httponly", "samesite=strict", "max-age=2592000"}, "the path is that of the address"
    assert TOKEN not in header
    name, value = header.split(";")[0].split("=")
    cookies = f"other=1; {name}=stale; {name}={value}"
    assert opened_by(private, {"Cookie": cookies}) == [200, 200, 200]
    assert opened_by(private, {"Cookie": f"{name}={value[:-1]}"}) == [401, 401, 401]
    assert httpx.get(f"{private.url}/docs?token={TOKEN}").headers["location"] == "./docs"


def test_behind_a_proxy_that_ends_tls_the_cookie_is_secure(private: Server) -> None:
    answer = httpx.get(f"{private.url}/?token={TOKEN}", headers={"X-Forwarded-Proto": "https"})
    assert "secure" in answer.headers["set-cookie"].lower()


def test_another_query_is_the_pages_own(private: Server) -> None:
    assert httpx.get(f"{private.url}/?mytoken=1", headers=BEARER).status_code == 200


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_browser_is_asked_in_its_language_and_told_what_is_wrong(private: Server, language: str) -> None:
    headers = HTML | {"Accept-Language": f"{language}-XX,en;q=0.5"}
    asked = httpx.get(private.url, headers=headers)
    assert asked.status_code == 401
    assert asked.headers["cache-control"] == "no-store"
    assert f'<html lang="{language}">' in asked.text
    assert ("令牌" in asked.text) == (language == "zh")
    assert "{{" not in asked.text
    assert "<script" not in asked.text
    sent = httpx.post(private.url, headers=headers, data={"token": "<b>open</b>"})
    assert sent.status_code == 401
    wrong = {"en": "That is not the token.", "zh": "令牌不正确。"}[language]
    assert wrong in sent.text
    assert wrong not in asked.text
    assert "open</b>" not in sent.text
    assert sent.text == httpx.get(private.url + "/?token=%3Cb%3E", headers=headers).text


def test_the_form_lets_in_and_a_form_without_end_is_refused(private: Server) -> None:
    answer = httpx.post(private.url + "/?lang=zh", data={"token": TOKEN})
    assert answer.status_code == 303
    assert answer.headers["location"] == "./?lang=zh"
    assert "unrolled-" in answer.headers["set-cookie"]
    assert httpx.post(private.url, data={"token": "x" * 5000}).status_code == 413
    foreign = httpx.post(private.url, data={"token": TOKEN}, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert "set-cookie" not in foreign.headers


@pytest.mark.parametrize("path", ["train", "predict", "verify", "graphs"])
def test_a_socket_without_the_token_is_closed_with_1008_and_a_reason(private: Server, path: str) -> None:
    url = private.ws.replace("train", path)
    told = (1008, "token_needed: this server asks for a token")
    assert closed(url) == told
    assert closed(f"{url}?token={TOKEN}") == told, "an address ends up in logs"
    assert closed(url, origin=private.url, additional_headers={"Cookie": "unrolled=1"}) == told
    with connect(url, additional_headers={"Cookie": given(private)}) as socket:
        socket.send("{}")
        socket.recv(30)  # whatever it says, it is not closed
    with (
        connect(url, origin="https://evil.example", additional_headers=BEARER) as socket,  # type: ignore[arg-type]
        pytest.raises(ConnectionClosed, match="origin"),
    ):
        while True:
            socket.recv(30)


def test_a_viewer_with_the_token_trains(private: Server) -> None:
    with viewer(private.ws, additional_headers=BEARER) as one:
        one.open(pace="max")
        assert one.updates(3)


def test_the_token_is_in_no_metric(private: Server) -> None:
    httpx.get(f"{private.url}/models")
    text = httpx.get(private.url + "/metrics", headers=BEARER).text
    assert 'unrolled_refusals_total{reason="token_needed"}' in text
    assert TOKEN not in text


def test_uvicorns_own_log_of_requests_has_no_token(tmp_path: Path) -> None:
    arguments = ["app.main:app", "--port", "0", "--no-use-colors"]
    settings = {"UNROLLED_TOKEN": TOKEN, "UNROLLED_MODELS_DIR": str(tmp_path)}
    log = tmp_path / "log"
    log.touch()
    with Forked(arguments, os.environ | settings, tmp_path, log, World(), with_uvicorn) as process:
        eventually(lambda: "running on http" in log.read_text(), PATIENCE, "it runs")
        found = re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text())
        assert found
        assert httpx.get(f"{found[1]}/?token={TOKEN}").status_code == 303
        assert httpx.get(f"{found[1]}/?token={TOKEN}x").status_code == 401
        assert httpx.get(f"{found[1]}/models", headers=BEARER).status_code == 200
        said = "".join(process.stdout.readline() for _ in range(3))
    assert '"GET / HTTP/1.1" 303' in said
    assert said.count("HTTP/1.1") == 3
    assert TOKEN not in said + log.read_text()


# ---------------------------------------------------------------- in a browser


def without_charts(context: BrowserContext) -> None:
    context.route("**/assets/plotly*", lambda route: route.fulfill(body="", content_type="text/javascript"))


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor who has not been here before, and whose Plotly comes empty."""
    with browser.new_context(viewport=DESK, locale="en-US") as context:
        without_charts(context)
        yield context


@pytest.fixture(scope="module")
def let_in(browser: Browser, private: Server) -> Iterator[Page]:
    """A page whose visitor came from another site, by a link with the token."""
    with browser.new_context(viewport=DESK, locale="en-US") as context:
        without_charts(context)
        page = context.new_page()
        page.add_init_script(WIRES)
        comes_from_another_site(page, private, f"?token={TOKEN}#seed=7")
        yield page


def comes_from_another_site(page: Page, private: Server, link: str) -> None:
    page.goto(private.url.replace("127.0.0.1", "localhost") + "/healthz")  # another site, as cookies see it
    page.evaluate("url => location.assign(url)", f"{private.url}/{link}")
    expect(page.get_by_test_id("status")).to_have_text("live", timeout=SECONDS * 1000)


def test_a_browser_types_the_token_and_the_page_runs_with_its_hash(private: Server, context: BrowserContext) -> None:
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type != "log" else None)
    page.goto(private.url + "/#seed=7&cell=gru")
    expect(page.get_by_label("Token")).to_be_focused()  # where somebody is faster Chromium says so
    page.get_by_label("Token").fill("this is not the one")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).to_have_text("That is not the token.")
    expect(page.get_by_label("Token")).to_be_focused()
    page.get_by_label("Token").fill(TOKEN)
    with page.expect_navigation():
        page.get_by_role("button", name="Enter").click()
    expect(page.get_by_test_id("status")).to_have_text("live", timeout=SECONDS * 1000)
    assert page.url.startswith(private.url + "/#seed=7&cell=gru")
    assert [text for text in troubles if "status of 401" not in text] == []
    assert page.evaluate("document.cookie") == "", "no script can read it"


def test_a_link_from_another_site_lets_in_whoever_was_let_in_before(private: Server, let_in: Page) -> None:
    assert let_in.url.startswith(private.url + "/#seed=7")
    comes_from_another_site(let_in, private, "#seed=8")
    assert let_in.url.startswith(private.url + "/#seed=8")


def test_a_page_whose_cookie_is_gone_says_so_and_does_not_try_for_ever(let_in: Page) -> None:
    page = let_in
    page.context.clear_cookies()
    page.clock.install()
    page.evaluate("wires.at(-1).close()")
    expect(page.get_by_test_id("status")).to_have_text("no token", timeout=SECONDS * 1000)
    expect(page.locator("#notice-text")).to_contain_text("asks for a token")
    tries = page.evaluate("wires.length")
    page.clock.fast_forward(60_000)  # the first waits are of a quarter of a second
    assert page.evaluate("wires.length") == tries
    page.get_by_test_id("reload").click()
    expect(page.get_by_label("Token")).to_be_visible()


# ---------------------------------------------------------------- the setting


@pytest.mark.parametrize(
    "value", ["", "tiny-tiny", "fifteen-letters", "x" * 257, "with a space in it", "ключ-ключ-ключ-ключ"]
)
def test_a_token_that_is_weak_or_not_plain_stops_the_start_and_is_not_repeated(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNROLLED_TOKEN", value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert not value or value not in str(caught.value)
    told = CliRunner().invoke(main, ["serve"])
    assert told.exit_code == 2
    assert "UNROLLED_TOKEN" in told.output
    assert not value or value not in told.output


def test_settings_do_not_show_it() -> None:
    assert TOKEN not in repr(Settings(token=SecretStr(TOKEN)))


def test_without_the_setting_there_is_no_lock(tmp_path: Path) -> None:
    def locks(**settings: Any) -> int:
        app = create_app(Settings(models_dir=tmp_path, **settings))
        return sum(middleware.cls is Lock for middleware in app.user_middleware)

    assert (locks(), locks(token=TOKEN)) == (0, 1)
