"""The page's graph lab as tests use it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, WebSocketRoute, expect

from tests.support.visits import DESK, Visit

STATIC = Path(__file__).parents[2] / "static"


RECORDING = json.loads((STATIC / "graphs.json").read_text("utf-8"))


QUICK = ("eager", "padded")


def lab(page: Visit) -> Visit:
    """Scroll to the panel and wait for its rows."""
    page.page.locator("#graphs").scroll_into_view_if_needed()
    expect(page.page.locator("#graphs [data-kind]")).to_have_count(9)
    return page


def row(page: Visit, kind: str) -> Locator:
    return page.page.locator(f"#graphs [data-kind={kind}]")


def number(page: Visit, kind: str, column: str) -> Locator:
    return row(page, kind).locator(f"[data-column={column}] b")


Answers = Callable[[WebSocketRoute], object]


@dataclass(frozen=True)
class Resident:
    """One page for all these tests, who answers its lab's socket, the last of them, and its sockets."""

    page: Visit
    answers: list[Answers]
    sockets: list[WebSocketRoute]
    fetched: tuple[list[str], list[str]]
    """Before its panel came near, and then."""


@pytest.fixture(scope="module")
def lab_resident(browser: Browser, server_url: str) -> Iterator[Resident]:
    answers: list[Answers] = [WebSocketRoute.connect_to_server]
    sockets: list[WebSocketRoute] = []
    fetched: list[str] = []

    def opened(route: WebSocketRoute) -> None:
        sockets.append(route)
        answers[-1](route)

    context = browser.new_context(viewport=DESK, locale="en-US")
    context.route_web_socket("**/ws/graphs", opened)
    context.on("request", lambda request: fetched.append(request.url))
    page = Visit(context, server_url + "/", charts=False)
    page.draws(3)
    page.pauses()
    before = fetched.copy()
    lab(page)
    yield Resident(page, answers, sockets, (before, fetched[len(before) :]))
    context.close()


@pytest.fixture
def visit_with(lab_resident: Resident) -> Iterator[Callable[..., Visit]]:
    """The page at its lab, at rest, with the lab's socket answered by the test."""
    page, answers, sockets = lab_resident.page, lab_resident.answers, lab_resident.sockets

    def visit_with(answer: Answers | None = None) -> Visit:
        if answer:
            answers.append(answer)
        return page

    yield visit_with
    if page.at("graphs-cancel").is_visible():
        sockets[-1].close()
        expect(page.at("graphs-run")).to_be_visible()
    del answers[1:]
    assert page.troubles == []


def only_quick(route: WebSocketRoute) -> None:
    """The real server, but as if it had no framework beside PyTorch, and two kinds to run."""
    server = route.connect_to_server()

    def from_the_server(message: str | bytes) -> None:
        heard = json.loads(message)
        if heard["type"] == "plan":
            for kind in heard["kinds"]:
                if kind["kind"] not in QUICK:
                    kind.update(installed=False, install="pip install 'unrolled[tensorflow]'")
        route.send(json.dumps(heard))

    server.on_message(from_the_server)
