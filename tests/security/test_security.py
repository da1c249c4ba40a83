"""docs/security.md names a test for each of its lines; and those tests of hostile guests that have no better place."""

import asyncio
import gzip
import json
import re
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import brotli
import httpx
import pytest
from playwright.sync_api import Browser, expect
from websockets.sync.client import connect

from app.main import create_app
from app.protocol.train import MAX_TEXT_BYTES
from app.settings import Settings
from model.checkpoint import Checkpoint
from model.learner import Learner
from model.recipe import Recipe
from tests.conftest import Server, running
from tests.support.keeping import comes_near, drags
from tests.support.ledger import LEDGER
from tests.support.node import folded
from tests.support.sockets import closed, raw_viewer
from tests.support.visits import SECONDS, Visit, Visits

ROOT = Path(__file__).parents[2]
LINES = re.findall(r"^\| (?!threat|---)(.+?) \| (.+?) \| (.+?) \|$", (ROOT / "docs" / "security.md").read_text(), re.M)

SOCKETS = ["/ws/train", "/ws/predict", "/ws/verify", "/ws/graphs"]
POSTS = ["/predict", "/models", "/onnx", "/receipt", "/script", "/qr", "/lessons/detach"]
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that lets a school's pages in."""
    with running(tmp_path_factory.mktemp("open"), allowed_origins="https://school.example") as server:
        yield server
        log = server.log.read_text()
        assert "Traceback" not in log


def exchange(server: Server, *raw: bytes) -> bytes:
    """What is answered to these bytes until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), SECONDS) as wire:
        for piece in raw:
            wire.sendall(piece)
        heard = b""
        while piece := wire.recv(65_536):
            heard += piece
        return heard


def get(server: Server, path: bytes) -> bytes:
    """A path as it stands, which a client would tidy up first."""
    return exchange(server, b"GET " + path + b" HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")


# ---------------------------------------------------------------- the document


@pytest.mark.parametrize(("threat", "answer", "tests"), LINES, ids=[line[0][:60] for line in LINES])
def test_each_line_of_the_document_has_its_tests(threat: str, answer: str, tests: str) -> None:
    named = re.findall(r"`(test_\w+)::(test_\w+)`", tests)
    assert named
    assert len(named) == tests.count("`") // 2, "nothing else is named there"
    for module, name in named:
        defined = re.compile(rf"^(async )?def {name}\(", re.M)
        assert any(defined.search(path.read_text("utf-8")) for path in ROOT.glob(f"tests/**/{module}.py")), name


def test_the_document_speaks_of_everyone() -> None:
    assert len(LINES) > 40


# ---------------------------------------------------------------- a foreign page in a visitor's browser


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1:1"])
def test_no_socket_opens_for_a_foreign_page(server: Server, path: str, origin: str) -> None:
    url = server.ws.replace("/ws/train", path)
    assert closed(url, origin=origin) == (1008, "this origin may not connect")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1:1"])
def test_no_request_of_a_foreign_page_is_carried_out(server: Server, path: str, origin: str) -> None:
    # what a page may send anywhere without asking: a form's content types
    headers = {"Origin": origin, "Content-Type": "text/plain"}
    answer = httpx.post(server.url + path, content=b'{"sequence":[0.5],"text":"x"}', headers=headers)
    assert answer.status_code == 403
    assert answer.json()["code"] == "foreign_origin"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers


def test_the_own_page_a_listed_one_and_no_browser_may_ask(open_house: Server) -> None:
    for origin in (open_house.url, "https://school.example", None):
        headers = {"Origin": origin} if origin else {}
        answer = httpx.post(open_house.url + "/predict", json={"sequence": [0.5]}, headers=headers)
        assert answer.status_code == 200


def test_a_foreign_page_stores_no_model_and_reads_no_answer(browser: Browser, open_house: Server) -> None:
    here = open_house.url.replace("127.0.0.1", "localhost")  # another origin, and another site
    script = """async ([url, bytes]) => {
      const body = new Uint8Array(bytes);
      const answer = await fetch(url, {method: "POST", mode: "no-cors", body}).then((a) => a.type, (e) => e.name);
      const read = await fetch(url).then((a) => a.type, (e) => e.name);
      return [answer, read];
    }"""
    context = browser.new_context(bypass_csp=True)  # a page of their own has no policy of ours
    foreign = context.new_page()
    foreign.goto(here + "/healthz")
    data = Learner(Recipe(seed=5)).checkpoint().to_bytes()
    before = httpx.get(open_house.url + "/models").json()
    sent, read = foreign.evaluate(script, [open_house.url + "/models", list(data)])
    assert sent == "TypeError", "not even an opaque answer: another origin may not take it in"
    assert read == "TypeError"
    assert httpx.get(open_house.url + "/models").json() == before
    context.close()


def test_the_page_is_in_no_frame_of_another_site(server: Server) -> None:
    for path in ("/", "/docs"):
        headers = httpx.get(server.url + path).headers
        assert "frame-ancestors 'self'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "SAMEORIGIN"


# ---------------------------------------------------------------- a stranger on the network


@pytest.mark.parametrize("path", SOCKETS)
def test_no_compression_is_agreed_upon_and_a_compressed_frame_ends_the_connection(server: Server, path: str) -> None:
    with connect(server.ws.replace("/ws/train", path), compression="deflate") as one:
        assert one.response is not None
        assert "sec-websocket-extensions" not in one.response.headers
    bomb = raw_viewer(server)
    bomb.settimeout(SECONDS)
    bomb.sendall(b"\xc1\x85\x00\x00\x00\x00xxxxx")  # a text that says of itself that it is compressed
    heard = b""
    while piece := bomb.recv(65_536):
        heard += piece
    bomb.close()
    assert struct.pack("!H", 1002) in heard


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("br", brotli.compress), ("deflate", gzip.compress)]
)
def test_a_compressed_body_is_never_unpacked(server: Server, encoding: str, pack: Any) -> None:
    bomb = pack(b'{"sequence":[' + b"0," * 2_000_000 + b"0]}")
    assert len(bomb) < 100_000
    headers = {"Content-Encoding": encoding}
    assert httpx.post(server.url + "/predict", content=bomb, headers=headers).json()["code"] == "broken_json"
    assert httpx.post(server.url + "/models", content=bomb, headers=headers).json()["code"] == "bad_model"


@pytest.mark.parametrize(
    "path",
    [
        b"/static/../app/main.py",
        b"/static/%2e%2e/app/main.py",
        b"/static/%2e%2e%2fapp%2fmain.py",
        b"/static/..%5c..%5capp%5cmain.py",
        b"/static/..\\app\\main.py",
        b"/static//etc/passwd",
        b"/static/%2fetc%2fpasswd",
        b"/static/main.js%00.html",
        b"/static/%c0%ae%c0%ae/app/main.py",
        b"/static/C:%5cWindows%5cwin.ini",
        b"/static/" + b"x" * 60_000,
        b"/static-offline-docs/../core.py",
        b"/static-offline-docs/%2e%2e/core.py",
        b"/static-offline-docs/%2e%2e%2fcore.py",
        b"/static-offline-docs//etc/passwd",
        b"/static-offline-docs/%00",
        b"/assets/../app/main.py",
        b"/models/..%2f..%2fetc%2fpasswd",
        b"/models/%2e%2e",
        b"/models/0123456789abcdef%00",
        b"/models/0123456789ABCDEF",
        b"/models/CON",
        b"/models/" + b"a" * 60_000,
        b"/models/%2e%2e%2fsine/onnx",
    ],
    ids=lambda path: path[:40].decode(),
)
def test_no_path_leads_out_of_what_is_served(server: Server, path: bytes) -> None:
    answer = get(server, path)
    assert answer.split(b" ", 2)[1] in (b"400", b"404"), answer[:200]
    assert len(answer) < 2000


def test_a_body_of_a_million_fields_holds_nobody_up(open_house: Server) -> None:
    body = b"{" + b",".join(b'"%d":1' % i for i in range(300_000)) + b"}"
    assert httpx.post(open_house.url + "/predict", content=body).json()["code"] == "unknown_field"
    for path in ("/script", "/qr", "/lessons/detach"):
        answer = httpx.post(open_house.url + path, content=body)
        assert answer.json()["code"] == "body_too_large"
        assert str(MAX_TEXT_BYTES) in answer.json()["detail"]
        head = f"POST {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        unread = exchange(open_house, head.encode())
        assert b'"code":"body_too_large"' in unread, "it is refused before any of it is read"


@pytest.mark.parametrize("path", ["/script", "/onnx", "/receipt"])
def test_a_crowd_that_asks_for_work_is_told_to_come_again(path: str, tmp_path: Path) -> None:
    body = Learner(Recipe()).checkpoint().to_bytes() if path != "/script" else b"{}"

    async def asked() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(Settings(models_dir=tmp_path)))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await asyncio.gather(*(client.post(path, content=body) for _ in range(80)))

    with ThreadPoolExecutor(1) as thread:  # Playwright's loop is in this one
        answers = thread.submit(asyncio.run, asked()).result(SECONDS * 2)
    told = [answer for answer in answers if answer.status_code == 503]
    assert len(told) == 16
    assert {answer.json()["code"] for answer in told} == {"busy"}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in told)


def test_what_is_no_http_is_answered_with_nothing_of_its_own(server: Server) -> None:
    for junk in (b"\x16\x03\x01\x02\x00" * 10, b"GET / HTTP/9.9\r\n\r\n", b"<img src=x>\r\n\r\n"):
        answer = exchange(server, junk)
        assert answer.startswith(b"HTTP/1.1 400"), answer
        assert b"text/plain" in answer
        assert b"img" not in answer


def test_names_and_headers_make_no_line_of_their_own_in_the_log(open_house: Server) -> None:
    line = b"2026-11-28 04:46:02,123 ERROR forged"
    for path in (b"/%0a" + line.replace(b" ", b"%20"), b"/models/%0d%0a%1b%5b2J", b"/?%0a=%0a"):
        get(open_house, path)
    wire = b"GET /ws/train HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    wire += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    exchange(open_house, wire + b"Origin: http://\x1b[2J" + line + b"\r\nX-Forwarded-For: \x1b[2J" + line + b"\r\n\r\n")
    with connect(open_house.ws, additional_headers={"X-Forwarded-For": "evil\u2028ERROR forged"[:4]}) as one:
        one.send(json.dumps({"type": "open", "recipe": {"a\nERROR forged\x1b[2J": 1}}))
        one.recv(SECONDS)
    log = open_house.log.read_text()
    assert "\x1b" not in log
    for each in log.splitlines():
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [\w.]+ ", each), each
        assert not re.match(r"\S+ \S+ ERROR forged", each)


def test_a_pipeline_that_reads_nothing_is_read_no_further(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as greedy:
        greedy.settimeout(1)
        request = b"GET /static/style.css HTTP/1.1\r\nHost: here\r\n\r\n" * 500
        sent = 0
        with pytest.raises(OSError):  # noqa: PT011  nothing more fits, or it was let go
            while sent < 200_000_000:
                sent += greedy.send(request)
        assert server.metric("unrolled_unsent_bytes") < 2_000_000
    assert sent < 50_000_000


# ---------------------------------------------------------------- who shares a link, a file or a run


EVIL_TEXT = "<img src=x onerror=window.hurt=1>"


def is_unhurt(page: Any) -> None:
    assert page.evaluate("window.hurt") is None
    assert page.locator("img[src=x]").count() == 0


def test_the_page_and_the_api_page_run_under_their_policy(visit: Visits, server_url: str) -> None:
    page = visit(server_url + "/docs", charts=True)
    summary = page.page.locator(".opblock-summary", has_text="/predict")
    summary.click()
    page.page.get_by_role("button", name="Try it out").click()
    page.page.get_by_role("button", name="Execute").click()
    expect(page.page.locator(".live-responses-table")).to_contain_text("prediction", timeout=SECONDS * 1000)
    # what a test itself evaluates may, so a timer of the page does
    refused = page.page.evaluate("""() => new Promise((done) => setTimeout(() => {
      try { done(new Function("return 1")()); } catch (error) { done(error.name); }
    }))""")
    assert refused == "EvalError"
    page.troubles[:] = [trouble for trouble in page.troubles if "unsafe-eval" not in trouble]


def test_a_script_that_got_into_the_page_does_not_run(browser: Browser, server_url: str) -> None:
    page = browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(server_url + "/healthz")
    page.evaluate(
        """text => { document.body.innerHTML = text; const script = document.createElement("script");
        script.textContent = "window.hurt = 1"; document.body.append(script);
        const style = document.createElement("style"); style.textContent = "body { color: rgb(1, 2, 3) }";
        document.head.append(style); }""",
        EVIL_TEXT,
    )
    for _ in range(SECONDS * 25):
        if sum("Content Security Policy" in text for text in refused) >= 3:
            break
        page.wait_for_timeout(40)
    assert sum("Content Security Policy" in text for text in refused) >= 3, refused
    assert page.evaluate("window.hurt") is None
    assert page.evaluate("getComputedStyle(document.body).color") != "rgb(1, 2, 3)"
    page.close()


@pytest.mark.parametrize("fragment", ["seed={0}", "cell={0}", "weights={0}", "{0}=1", "lang={0}", "changes={0}"])
def test_markup_in_a_link_is_text(page: Visit, fragment: str) -> None:
    heard = len(page.received)
    page.page.evaluate("link => { location.hash = link }", fragment.format(quote(EVIL_TEXT)))
    opened = lambda: any(each["type"] == "opened" for each in page.received[heard:])  # noqa: E731
    page.until(lambda: page.page.locator("#notice").is_visible() or opened(), "the link is read")
    is_unhurt(page.page)


def test_markup_in_a_dropped_checkpoint_is_text(page: Visit) -> None:
    learner = Learner(Recipe(seed=3, cell="gru"))
    learner.advance()
    checkpoint = learner.checkpoint()
    run = checkpoint.run.model_copy(
        update={"versions": dict.fromkeys(checkpoint.run.versions, EVIL_TEXT), "notes": {"a": EVIL_TEXT}}
    )
    page.draws(1)
    comes_near(page)
    drags(page, EVIL_TEXT + ".safetensors", Checkpoint(run, checkpoint.tensors).to_bytes())
    page.until(lambda: len(page.opened()) == 2, "the run of the file is opened")
    page.draws(2)
    is_unhurt(page.page)
    drags(page, EVIL_TEXT + ".safetensors", b"\xff" * 100)
    expect(page.page.locator("#keep")).to_contain_text("<img src=x")
    is_unhurt(page.page)


def test_a_table_of_a_hostile_run_has_no_formula_in_it() -> None:
    script = """
      const {csvOf} = await import('/static/keep/export.js');
      const {store, ledger} = begun();
      store.dispatch(updates(1, 3));
      const evil = '=cmd|"/c calc"!A1';
      const recipe = {...store.state.recipe, cell: evil, seed: evil, [evil]: evil};
      const changes = [{after_update: 1, [evil]: evil}];
      return [...csvOf(ledger, {...store.state, recipe, changes})].join('');
    """
    table = folded(LEDGER + script)
    names, *rows = table.strip().split("\n")
    assert len(rows) == 3
    assert re.fullmatch(r"[a-z_,]+", names)
    for row in rows:
        assert re.fullmatch(r"(?:(?:-?[\d.]+(?:e[+-]?\d+)?|true|false)?,?)+", row), row


def test_no_answer_says_what_it_runs_on(server: Server) -> None:
    for path in ("/", "/nothing", "/predict"):
        headers = httpx.get(server.url + path).headers
        assert "server" not in headers
        assert "x-powered-by" not in headers


def test_a_crowd_at_the_models_leaves_the_pretrained_one(open_house: Server) -> None:
    data = [Learner(Recipe(seed=seed, hidden_size=2)).checkpoint().to_bytes() for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda body: httpx.post(open_house.url + "/models", content=body), data))
    assert {answer.status_code for answer in answers} == {201}
    assert httpx.get(open_house.url + "/models").json()["models"][0]["id"] == "sine"
    assert httpx.post(open_house.url + "/predict", json={"sequence": [0.5]}).status_code == 200


def test_nothing_but_what_crosses_to_training_is_a_pickle() -> None:
    unsafe = re.compile(
        r"\b(pickle|marshal|shelve|yaml|dill|joblib)\b|torch\.load|np\.load|allow_pickle|\beval\(|\bexec\("
    )
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("app", "model")
        for path in (ROOT / folder).rglob("*.py")
        if any(
            unsafe.search(line.split("#")[0])
            for line in path.read_text("utf-8").splitlines()
            if "import" in line or "(" in line
        )
    }
    assert found <= {"app/training/child.py", "app/training/process.py"}, found
