"""A page whose wire is cut, falls silent or leads to another server; a reload; a server that stops as it should."""

import random
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.faults.pages import follows, link, now
from tests.faults.proxy import Direction, Proxy
from tests.faults.servers import Servers, free_port

NOTICED_SECONDS = 120.0
"""How long is waited for a page to be on its way again after its connection died without a word. By its own clock it
has 13 s until it gives it up, which test_pulse.py holds it to."""

Record = Callable[[str, object], None]


@pytest.fixture
def draw(moments: int, request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"{moments} {request.node.name}")


@pytest.fixture
def proxy(nursery: Servers) -> Iterator[Proxy]:
    port = free_port()
    server = nursery.start(port)
    made = Proxy(port)
    yield made
    made.close()
    server.kill()


@pytest.mark.parametrize("pace", [20, "max"])
def test_a_wire_that_is_cut_again_and_again(
    browser: Browser, proxy: Proxy, draw: random.Random, pace: float | str, record_property: Record
) -> None:
    with follows(browser, proxy.port, link("gru", pace, draw), draw) as page:
        for _ in range(4):
            page.plays_on(draw.uniform(0.1, 1.0))
            proxy.cut()
            record_property("page: cut to the next chunk drawn", page.recovers(now()))
        page.heard_each_once()
        page.holds_the_whole_curve()


@pytest.mark.parametrize("directions", [("up",), ("down",), ("up", "down")], ids="+".join)
def test_a_wire_that_falls_silent_is_noticed(
    browser: Browser,
    proxy: Proxy,
    draw: random.Random,
    directions: tuple[Direction, ...],
    record_property: Record,
) -> None:
    with follows(browser, proxy.port, link("lstm", 20, draw), draw) as page:
        page.plays_on(1.0)
        began = now()
        proxy.silence(*directions)
        silent = page.recovers(began, NOTICED_SECONDS)
        record_property(f"page: {' and '.join(directions)} silent to the next chunk drawn", silent)
        page.plays_on(0.5)
        page.heard_each_once()
        page.holds_the_whole_curve()


def test_a_page_is_moved_to_another_server_and_back(
    browser: Browser, nursery: Servers, proxy: Proxy, draw: random.Random, record_property: Record
) -> None:
    first = proxy.target
    other = nursery.start(free_port())
    with follows(browser, proxy.port, link("rnn", "max", draw), draw) as page:
        for target in (other.port, first):
            page.plays_on(draw.uniform(0.2, 1.0))
            proxy.target = target
            proxy.cut()
            record_property("page: cut to the next chunk drawn, on another server", page.recovers(now()))
        page.heard_each_once()
        page.holds_the_whole_curve()


def test_a_server_that_is_stopped_tells_1012_and_the_next_one_goes_on(
    browser: Browser, nursery: Servers, draw: random.Random, record_property: Record
) -> None:
    port = free_port()
    server = nursery.start(port)
    with follows(browser, port, link("gru", 20, draw), draw) as page:
        codes = "addEventListener.call(wires.at(-1), 'close', ({code}) => window.lastCode = code)"
        for _ in range(3):
            page.plays_on(draw.uniform(0.2, 1.0))
            page.page.evaluate(codes)
            server.terminate()
            server = nursery.start(port)
            record_property("page: process up after SIGTERM to the next chunk drawn", page.recovers(server.up))
            assert page.page.evaluate("window.lastCode") == 1012
        page.heard_each_once()
        page.holds_the_whole_curve()


@pytest.mark.parametrize("pace", [20, "max"])
def test_a_page_that_is_reloaded_continues(
    browser: Browser, proxy: Proxy, draw: random.Random, pace: float | str
) -> None:
    with follows(browser, proxy.port, link("rnn", pace, draw), draw) as page:
        for _ in range(3):
            page.plays_on(draw.uniform(0.3, 1.5))
            page.page.reload()
            expect(page.visit.at("continue")).to_be_visible()
            page.visit.at("continue").click()
            page.recovers(now())
        page.page.locator("#keep").scroll_into_view_if_needed()
        page.plays_on(0.5)
        page.holds_the_whole_curve()
