"""A visitor of the page in Chromium: what a test does there, and what went over its sockets."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, WebSocket, expect, sync_playwright

from bench.first_prediction import FLAGS
from model.recipe import Recipe
from tests.support.display import FEW

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""The same engine, without the windows around it where that is installed: a page then opens in half the CPU time."""
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
SECONDS = 30
"""Long enough for a busy machine; what is waited for mostly comes within one."""

expect.set_options(timeout=SECONDS * 1000)


@pytest.fixture(scope="session")
def chromium() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """One for all modules of tests, and Playwright's loop, which says of itself only while it is used that it runs."""
    with sync_playwright() as playwright:
        loop = asyncio.get_running_loop()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        asyncio._set_running_loop(None)
        yield browser, loop
        asyncio._set_running_loop(loop)
        browser.close()


@pytest.fixture(scope="module")
def browser(chromium: tuple[Browser, asyncio.AbstractEventLoop]) -> Iterator[Browser]:
    """Chromium, for a module of tests: it begins without a page, and leaves none behind."""
    browser, loop = chromium
    asyncio._set_running_loop(loop)
    yield browser
    for context in browser.contexts:
        context.close()
    asyncio._set_running_loop(None)  # other modules may have loops of their own


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

PLAYING = "document.body.classList.contains('playing')"
FORGETS = """() => {
  localStorage.clear();
  document.getElementById('notice-action').removeAttribute('data-testid');
  document.activeElement.blur();
  scrollTo({top: 0, behavior: 'instant'});
}"""
PASTED = """(link) => new Promise((done) => {
  addEventListener('hashchange', done, {once: true});
  location.hash = location.hash === `#${link}` ? `#${link}&pace=20` : `#${link}`;
})"""
"""The page takes out of the address what goes without saying, but later: until then the same link again is no news."""

DRAWN = """([update, seconds]) => new Promise((done) => {
  const looks = new MutationObserver(look);
  const late = setTimeout(ends, 1000 * seconds);
  function ends() { looks.disconnect(); clearTimeout(late); done(); }
  function look() { if (Number(document.body.dataset.update) >= update) ends(); }
  looks.observe(document.body, {attributes: true, attributeFilter: ['data-update']});
  look();
})"""
"""Has the page itself say when it has drawn an update, of whichever run; to ask again and again costs as much as it."""


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
        self.page.add_init_script(FEW)
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
        return int(self.page.evaluate("document.body?.dataset.update ?? 0"))

    def until(self, holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        """Look again and again, as the page's policy forbids Playwright's own wait_for_function."""
        for _ in range(int(seconds * 25)):
            if holds():
                return
            self.page.wait_for_timeout(40)
        raise AssertionError(f"not within {seconds} s: {what}")

    def draws(self, update: int) -> None:
        """Wait for an update of the newest run to come and to be drawn."""
        self.page.evaluate(DRAWN, [update, SECONDS])
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
        self.page.evaluate(FORGETS)
        self.opens("seed=1")

    def opens(self, link: str) -> None:
        """Paste a link in this tab, and wait for its run."""
        asked, heard = len(self.sent), len(self.received)
        self.page.evaluate(PASTED, link)
        found: list[tuple[int, int]] = []

        def opened() -> bool:
            """Whether it is this run: another may have been asked for just before, and a twin's may be under way."""
            # a link leaves fields of the recipe out, the page itself none
            sent = enumerate(self.sent[asked:], asked)
            asks = ((i, each) for i, each in sent if "recipe" in each)
            tags = {each["tag"]: i for i, each in asks if len(each["recipe"]) < len(Recipe.model_fields)}
            since = enumerate(self.received[heard:], heard)
            told = [(i, each.get("tag")) for i, each in since if each["type"] == "opened"]
            found[:] = [(tags[tag], i) for i, tag in told if tag in tags]
            return bool(found)

        self.until(opened, f"the run of {link} begins")
        asked, heard = found[-1]
        del self.sent[:asked], self.received[:heard]
        self.until(lambda: any(each["type"] == "seen" for each in self.sent), "its first updates are drawn")

    def rests(self) -> None:
        """Have it cost nothing until it begins anew."""
        self.page.evaluate(f"() => {PLAYING} && document.getElementById('play').click()")

    def speaks(self, language: str) -> None:
        """Press the button of a language, and wait until the page speaks it."""
        self.page.locator(f"[data-language={language}]").click()
        lang = "zh-CN" if language == "zh" else "en"
        self.until(lambda: self.page.evaluate("document.documentElement.lang") == lang, f"it speaks {lang}")

    def pauses(self) -> int:
        """Press pause; the update that the page then rests at. A checkpoint comes behind whatever was under way."""
        self.page.locator("#play").click()
        self.until(lambda: not self.page.evaluate(PLAYING), "it is paused")
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


def stays(browser: Browser, url: str, charts: bool) -> Iterator[Visit]:
    context = browser.new_context(viewport=DESK, locale="en-US")
    yield Visit(context, url, charts)
    context.close()


def begun(resident: Visit) -> Iterator[Visit]:
    resident.begins_anew()
    yield resident
    troubles, resident.troubles = resident.troubles, []
    resident.page.unroute_all()
    resident.page.set_viewport_size(DESK)  # type: ignore[arg-type]
    resident.page.emulate_media(color_scheme="null", reduced_motion="null")
    resident.rests()
    assert troubles == [], troubles


@pytest.fixture(scope="module")
def resident(browser: Browser, server_url: str) -> Iterator[Visit]:
    """One page for all tests of a module that need no other, without charts: a load costs ten times a link."""
    yield from stays(browser, server_url + "/", charts=False)


@pytest.fixture
def page(resident: Visit) -> Iterator[Visit]:
    """The page with its first run begun anew, as a visitor meets it, but for its charts."""
    yield from begun(resident)


@pytest.fixture(scope="module")
def charted_resident(browser: Browser, server_url: str) -> Iterator[Visit]:
    """One page with Plotly's charts for all tests of a module that look at them."""
    yield from stays(browser, server_url + "/", charts=True)


@pytest.fixture
def charted(charted_resident: Visit) -> Iterator[Visit]:
    """The page with its first run begun anew, as a visitor meets it."""
    yield from begun(charted_resident)


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
