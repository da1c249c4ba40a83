"""Two servers behind the committed HAProxy: what passes through, what is kept out, and who is told what."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cluster.haproxy import CONFIG, NOBODY, Proxy, command, haproxy
from tests.cluster.pair import Pair
from tests.conftest import Server, running
from tests.support.sockets import closed, eventually
from tests.support.viewers import PATIENCE, timeless, viewer

pytestmark = pytest.mark.timeout(300)  # servers start in some seconds, and on a crowded machine in a minute


@pytest.fixture
def proxy(pair: Pair) -> Proxy:
    pair.deals_to_both()
    return pair.proxy


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Proxy]]:
    """One server with two seats, one of each address, and a proxy before it."""
    folder = tmp_path_factory.mktemp("small")
    with (
        running(folder, max_viewers=2, max_viewers_per_address=1) as server,
        haproxy(folder, address(server)) as made,
    ):
        yield server, made


def address(server: Server) -> str:
    return f"127.0.0.1:{server.port}"


def coming_from(visitor: str) -> dict[str, Any]:
    """Options of a socket whose other end is another address of this machine."""
    return {"source_address": (visitor, 0)}


def has_room(server: Server, proxy: Proxy) -> None:
    eventually(lambda: server.metric("unrolled_viewers") == 0, PATIENCE, "the last test's viewers have gone")
    eventually(lambda: proxy.deals_to("one"), PATIENCE, "the proxy knows")


# ---------------------------------------------------------------- what passes through


def test_haproxy_finds_nothing_wrong_with_its_configuration() -> None:
    checked = subprocess.run([command(), "-c", "-f", CONFIG], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    complaints = [line for line in checked.stderr.splitlines() if "[WARNING]" in line or "[ALERT]" in line]
    assert all("could not resolve address" in line for line in complaints), complaints  # compose has these names


def test_the_page_and_all_that_it_loads_come_through(proxy: Proxy) -> None:
    with httpx.Client(base_url=proxy.url, timeout=PATIENCE) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert "Unrolled" in page.text
        assert "set-cookie" not in page.headers
        assert client.get("/static/main.js").headers["content-type"].startswith("text/javascript")
        assert client.get("/recipe/schema").json()["title"] == "Recipe"
        assert client.get("/readyz").json() == {"status": "ok"}


def test_each_server_predicts_with_a_model_that_went_up_through_the_proxy(proxy: Proxy, pair: Pair) -> None:
    with viewer(proxy.ws) as one:
        one.open(recipe={"seed": 4}, play=False)
        uploaded = httpx.post(proxy.url + "/models", content=one.checkpoint, timeout=PATIENCE).json()
    question = {"sequence": [0.0, 0.3, 0.6], "model": uploaded["id"]}
    urls = [server.url for server in pair.servers.values()]
    answers = [httpx.post(url + "/predict", json=question, timeout=PATIENCE) for url in urls]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["prediction"] == answers[1].json()["prediction"]


def test_a_body_of_the_largest_size_comes_through(proxy: Proxy) -> None:
    question = {"sequences": [[0.123456] * 10_000] * 40}
    assert len(json.dumps(question)) > 2**21
    assert httpx.post(proxy.url + "/predict", json=question, timeout=PATIENCE).status_code == 200


def test_a_run_goes_on_to_the_bit_on_whichever_server_its_viewer_comes_to(proxy: Proxy, pair: Pair) -> None:
    recipe = {"seed": 11, "cell": "gru", "most_streams": 3}
    servers = list(pair.servers.values())
    with viewer(servers[0].ws) as alone:
        alone.open(recipe=recipe, pace="max")
        wanted = alone.updates(60)
    got: list[dict[str, Any]] = []
    landed = [0, 0]
    checkpoint: bytes | None = None
    for visit in range(10):
        eventually(lambda: not any(map(viewers_of, servers)), PATIENCE, "the last visit is over")
        with viewer(proxy.ws) as one:
            if checkpoint is None:
                one.open(recipe=recipe, pace="max")
            else:
                one.resume(checkpoint, after=len(got), pace="max")
            here = [viewers_of(server) for server in servers]
            assert sum(here) == 1
            landed = [before + now for before, now in zip(landed, here, strict=True)]
            while len(got) < 6 * (visit + 1):
                got += one.until("updates")["updates"]
                one.seen(got[-1]["update"])
            checkpoint = one.checkpoint
    assert min(landed) > 0, f"one and two had {landed} of 10 visits: nothing is sticky"
    assert timeless(got[:60]) == timeless(wanted[:60])


def viewers_of(server: Server) -> int:
    return int(server.metric("unrolled_viewers"))


def test_a_quiet_socket_outlives_every_timeout_of_plain_requests(pair: Pair, tmp_path: Path) -> None:
    with (
        haproxy(tmp_path, *map(address, pair.servers.values()), http_timeout="1s") as hasty,
        viewer(hasty.ws, ping_interval=None) as paused,
    ):
        paused.open(play=False)
        with httpx.Client(base_url=hasty.url, timeout=PATIENCE) as client:
            client.get("/healthz")
            eventually(lambda: has_ended(client), PATIENCE, "a quiet connection of plain requests ends")
        assert paused.is_silent(4)
        paused.send(type="step")
        assert len(paused.updates(1)) == 1


def has_ended(client: httpx.Client) -> bool:
    """Whether the far end has closed the one connection that a client keeps."""
    (connection,) = client._transport._pool.connections  # type: ignore[attr-defined]
    return bool(connection.has_expired())


# ---------------------------------------------------------------- who is told what


def test_a_full_hall_tells_1013_through_the_proxy_and_still_shows_its_page(small: tuple[Server, Proxy]) -> None:
    server, proxy = small
    has_room(server, proxy)
    with ExitStack() as stack:
        for visitor in ("127.0.0.2", "127.0.0.3"):
            stack.enter_context(viewer(proxy.ws, **coming_from(visitor))).open(play=False)
        eventually(lambda: proxy.rows("ready")["one"]["status"] == "DOWN", PATIENCE, "nobody is ready any more")
        assert closed(proxy.ws, **coming_from("127.0.0.4")) == (1013, "the hall is full; try again later")
        with httpx.Client(base_url=proxy.url, timeout=PATIENCE) as client:
            assert client.get("/").status_code == 200
            assert client.post("/predict", json={"sequence": [0.5]}).status_code == 200


def test_the_limit_of_an_address_counts_visitors_and_not_the_proxy(small: tuple[Server, Proxy]) -> None:
    server, proxy = small
    has_room(server, proxy)
    with viewer(proxy.ws, **coming_from("127.0.0.2")) as one:
        one.open(play=False)
        claims = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
        for headers in ({}, claims):
            said = closed(proxy.ws, additional_headers=headers, **coming_from("127.0.0.2"))
            assert said == (1013, "this address has 1 sockets open, as many as it may")
        with viewer(proxy.ws, **coming_from("127.0.0.3")) as other:
            assert other.open(play=False)


def test_the_own_page_may_open_a_socket_through_the_proxy_and_a_foreign_one_may_not(proxy: Proxy) -> None:
    for origin in (proxy.url, proxy.url.replace("http", "https")):
        with viewer(proxy.ws, origin=origin) as one:
            assert one.open(play=False)
    assert closed(proxy.ws, origin="https://evil.example")[0] == 1008


def test_the_numbers_of_one_server_are_not_for_visitors(proxy: Proxy) -> None:
    for path in ("/metrics", "/metrics/", "/%6Detrics", "/metric%73", "/%2566", "/metrics?x"):
        answer = httpx.get(proxy.url + path, timeout=PATIENCE)
        assert answer.status_code == 404, path
        assert "unrolled_" not in answer.text
    numbers = httpx.get(f"http://127.0.0.1:{proxy.operator_port}/metrics", timeout=PATIENCE).text
    assert 'haproxy_server_status{proxy="ready",server="one",state="UP"} 1' in numbers


def test_a_proxy_without_any_server_says_busy_and_when_to_try_again(tmp_path: Path) -> None:
    with haproxy(tmp_path, NOBODY) as lonely:
        eventually(lambda: lonely.rows("alive")["one"]["status"] == "DOWN", PATIENCE, "it knows")
        answer = httpx.post(lonely.url + "/predict", json={"sequence": [0.5]}, timeout=PATIENCE)
    assert answer.status_code == 503
    assert answer.json()["code"] == "busy"
    assert int(answer.headers["Retry-After"]) > 0
