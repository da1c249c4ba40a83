"""A visitor of the page in Chromium: what a test does there, and what went over its sockets."""

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, WebSocket, expect, sync_playwright

from bench.first_prediction import FLAGS

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""The same engine, without the windows around it where that is installed: a page then opens in half the CPU time."""
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
SECONDS = 30
"""Long enough for a busy machine; what is waited for mostly comes within one."""

expect.set_options(timeout=SECONDS * 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


ANNOUNCED = ("opened", "changed", "diverged", "checkpoint")
"""Messages that a checkpoint comes right behind; any other was asked for."""

WIRES = """
const Plain = WebSocket;
window.wires = [];
window.WebSocket = class extends Plain {
  constructor(...given) {
    super(...given);
    window.wires.push(this);
  }
};
"""
"""Keeps the page's sockets at hand, so that a test can say something over them itself."""


class Visit:
    """One visitor's page, with what went over its sockets and whatever went wrong."""

    def __init__(
        self,
        context: BrowserContext,
        url: str,
        charts: bool = True,
        prepare: Callable[[Page], None] | None = None,
    ) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.troubles: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self.asked_for = 0  # checkpoints that came on request
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("websocket", self._listen)
        if not charts:
            self.page.route("**/assets/plotly*", lambda route: route.fulfill(body="", content_type="text/javascript"))
        self.page.add_init_script(WIRES)
        if prepare:
            prepare(self.page)
        self.page.goto(url)

    def _failed(self, request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # which is what a reload does to a request under way
            self.troubles.append(f"failed: {request.url} {request.failure}")

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(message.text)

    def _listen(self, wire: WebSocket) -> None:
        wire.on("framesent", lambda frame: isinstance(frame, str) and self.sent.append(json.loads(frame)))
        before = [""]  # the type of the wire's last message
        wire.on("framereceived", lambda frame: self._receive(frame, before))

    def _receive(self, frame: str | bytes, before: list[str]) -> None:
        if isinstance(frame, str):
            self.received.append(json.loads(frame))
            before[0] = self.received[-1]["type"]
        elif before[0] in ANNOUNCED:
            before[0] = ""
        else:
            self.asked_for += 1

    def says(self, message: dict[str, Any]) -> None:
        """Over the page's own sockets, beside what the page says."""
        script = "text => wires.filter((wire) => wire.readyState === 1).forEach((wire) => wire.send(text))"
        self.page.evaluate(script, json.dumps(message))

    def at(self, test_id: str) -> Locator:
        return self.page.get_by_test_id(test_id)

    @property
    def update(self) -> int:
        """The newest update drawn."""
        return int(self.page.locator("body").get_attribute("data-update") or 0)

    def until(self, holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        """Look again and again, as the page's policy forbids Playwright's own wait_for_function."""
        for _ in range(int(seconds * 25)):
            if holds():
                return
            self.page.wait_for_timeout(40)
        raise AssertionError(f"not within {seconds} s: {what}")

    def draws(self, update: int) -> None:
        """Wait for an update of the newest run to come and to be drawn."""
        self.until(lambda: self._newest() >= update, f"update {update} sent, at {self._newest()}")
        self.until(lambda: self.update >= update, f"update {update} drawn, at {self.update}")

    def _newest(self) -> int:
        """The newest update sent since the last `opened`."""
        newest = 0
        for message in self.received:
            if message["type"] == "opened" and "update" in message:
                newest = message["update"]
            elif message["type"] == "updates":
                newest = message["updates"][-1]["update"]
        return newest

    def begins_anew(self) -> None:
        """The run and all settings of a first visit, without another load: a link in the same tab does that."""
        for _ in range(2):
            self.page.keyboard.press("Escape")
        self.page.mouse.move(0, 0)
        before = len(self.received)
        self.page.evaluate("() => { scrollTo(0, 0); location.hash = '#seed=1'; }")
        self.until(lambda: any("recipe" in message for message in self.received[before:]), "the run begins anew")
        while "recipe" not in self.received[0] or before > 0:
            del self.received[0]
            before -= 1
        self.sent.clear()
        self.until(lambda: 0 < self.update <= self._newest(), "its first updates are drawn")

    def pauses(self) -> int:
        """Press pause; the update that the page then rests at. A checkpoint comes behind whatever was under way."""
        self.at("play").click()
        expect(self.at("status")).to_have_text("paused")
        before = self.asked_for
        self.says({"type": "checkpoint"})
        self.until(lambda: self.asked_for > before, "the server has heard of the pause")
        self.draws(self._newest())
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return self.update

    def trace(self, name: str, chart: str = "wave") -> dict[str, Any]:
        script = "([chart, name]) => { const trace = document.getElementById(chart).data?.find(t => t.uid === name); "
        script += "const {x, y} = trace ?? {x: [], y: []}; "
        return self.page.evaluate(script + "return {x, y} }", [chart, name])

    def opened(self) -> list[dict[str, Any]]:
        return [message for message in self.received if message["type"] == "opened" and "recipe" in message]

    def updates(self, since: int = 0, until: int | None = None) -> list[dict[str, Any]]:
        """Those that came, in messages from `since` to `until` of what was received."""
        messages = (message for message in self.received[since:until] if message["type"] == "updates")
        return [update for message in messages for update in message["updates"]]

    def changes(self, name: str, value: object) -> None:
        """Type a value into a live field, and wait until the server has set it."""
        before = len(self.received)
        self.choose(name, value)
        self.until(lambda: any(each["type"] == "changed" for each in self.received[before:]), f"{name} is changed")

    def choose(self, name: str, value: object) -> None:
        """Type a value into a number field of the recipe."""
        field = self.page.locator(f"#recipe-{name}")
        field.fill(str(value))
        field.press("Tab")


Visits = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, server_url: str) -> Iterator[Visits]:
    """Opens the page as a visitor would; at the end nothing may have gone wrong in any console.

    Without `charts` Plotly's file comes empty, which spares a second of CPU: the page goes on with its numbers. What
    `prepare` does comes before the page is asked for.
    """
    opened: list[Visit] = []

    def visit(
        url: str = server_url + "/", charts: bool = True, prepare: Callable[[Page], None] | None = None, **options: Any
    ) -> Visit:
        context = browser.new_context(**({"viewport": DESK, "locale": "en-US"} | options))
        opened.append(Visit(context, url, charts, prepare))
        return opened[-1]

    yield visit
    for each in opened:
        each.context.close()
    troubles = [trouble for each in opened for trouble in each.troubles]
    assert troubles == [], troubles


def folded(browser: Browser, server_url: str, script: str) -> Any:
    """Run `script` beside an empty page, with state.js at hand as `state`."""
    page = browser.new_page()
    page.goto(server_url + "/healthz")
    result = page.evaluate(
        "async () => { const state = await import('/static/state.js');"
        "const chunk = (n) => ({update: n, length: 10, streams: 1, stream_ids: [0], t: [Array(10).fill(n)], "
        "input: [Array(10).fill(0)], target: [Array(10).fill(1)], prediction: [Array(10).fill(0)], loss: 1 / n, "
        "mean_loss: 1, milliseconds: {}});"
        "const opened = {type: 'opened', protocol: 1, recipe: {seed: 1, learning_rate: 0.02}, changes: [], update: 0, "
        "window: 5, network: {}};" + script + "}"
    )
    page.close()
    return result
