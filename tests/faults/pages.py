"""A page whose server goes away: what it drew and when, what it holds in the end, and whether that is all of it."""

import json
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.faults.curves import same_floats, uninterrupted
from tests.support.visits import DESK, Visit

TO_BE_EXPECTED = re.compile(
    r"ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)|WebSocket connection to "
)
"""What a browser says of a server that is gone."""

DRAWS = """
window.draws = [];
addEventListener("DOMContentLoaded", () => {
  new MutationObserver(() => window.draws.push([Date.now(), Number(document.body.dataset.update)]))
    .observe(document.body, { attributes: true, attributeFilter: ["data-update"] });
});
"""
"""Keeps when the page drew what."""

RATES = (0.001, 0.005, 0.01, 0.02, 0.03)

KEPT = 2_000_000
"""Updates of which a page keeps the scalars at the least, the newest of a longer run."""


class Follows:
    """A visitor whose run must not be lost."""

    def __init__(self, visit: Visit, draw: random.Random) -> None:
        self.visit = visit
        self.page = visit.page
        self._draw = draw
        self.visit.until(lambda: self.visit.update > 0, "its first update is drawn")
        self._opened = len(self.visit.opened())
        self.page.locator("#keep").scroll_into_view_if_needed()
        expect(self.visit.at("keep-json")).to_be_enabled()
        self.page.evaluate(
            "() => import('./static/keep/export.js').then(() => 0)"
        )  # what comes late would hang on a dead wire
        self.page.wait_for_load_state("networkidle")

    def plays_on(self, seconds: float, changes: bool = True) -> None:
        """For so long, and somewhere in between what applies live may be changed with the page's own controls."""
        before = self._draw.uniform(0, seconds)
        self.page.wait_for_timeout(1000 * before)
        if changes and self._draw.random() < 0.6:
            self.changes()
        self.page.wait_for_timeout(1000 * (seconds - before))

    def changes(self) -> None:
        if self._draw.random() < 0.5:
            self.visit.choose("learning_rate", self._draw.choice(RATES))
        else:
            self.page.locator("#recipe-carry_state").set_checked(self._draw.random() < 0.5)

    def draws(self) -> list[tuple[float, int]]:
        """When, of `time.time`, which update was drawn."""
        found: list[list[float]] = self.page.evaluate("window.draws")
        return [(at / 1000, int(update)) for at, update in found]

    def recovers(self, since: float, seconds: float = 30) -> float:
        """Wait until it draws a chunk of another connection; the seconds from this time, of `time.time`, to then."""
        self.visit.until(lambda: len(self.visit.opened()) > self._opened, "its run is opened again", seconds)
        self._opened = len(self.visit.opened())
        had = [message["after"] for message in self.visit.sent if message["type"] == "open" and "after" in message][-1]

        def first() -> float | None:
            return next((at - since for at, update in self.draws() if update > had), None)

        self.visit.until(lambda: first() is not None, "the next chunk is drawn", seconds)
        taken = first()
        assert taken is not None
        return taken

    def holds_the_whole_curve(self) -> None:
        """Pause, export what the page holds, and compare it with the run never interrupted.

        How far a run at pace max has come by then is its machine's business: of a long one the page keeps the newest.
        """
        last = self.visit.pauses()
        with self.page.expect_download() as download:
            self.visit.at("keep-json").click()
        held = json.loads(Path(download.value.path()).read_text())
        rows = {row["update"]: row for row in held["updates"]}
        chunks = {chunk["update"]: chunk for chunk in held["chunks"]}
        assert list(rows) == list(range(last - len(rows) + 1, last + 1))
        assert len(rows) == last or len(rows) >= KEPT
        compared = 0
        for made in islice(uninterrupted(held["recipe"], held["changes"]), last):
            where = f"update {made['update']} of {last}, changes {held['changes']}"
            if row := rows.get(made["update"]):
                assert (row["length"], row["streams"]) == (made["length"], made["streams"]), where
                assert same_floats([row["loss"], row["mean_loss"]], [made["loss"], made["mean_loss"]]), where
                compared += 1
            if chunk := chunks.get(made["update"]):
                assert chunk["t"] == made["t"], where
                assert all(same_floats(chunk[name], made[name]) for name in ("input", "target", "prediction")), where
                compared += 1
        assert compared == len(rows) + len(chunks)

    def heard_each_once(self) -> None:
        """What came over all of its sockets together: every update once, in order."""
        numbers = [update["update"] for update in self.visit.updates()]
        assert numbers == list(range(1, len(numbers) + 1))


@contextmanager
def follows(browser: Browser, port: int, link: str, draw: random.Random) -> Iterator[Follows]:
    def prepare(page: Page) -> None:
        page.add_init_script(DRAWS)

    context = browser.new_context(viewport=DESK, locale="en-US")
    try:
        visit = Visit(context, f"http://127.0.0.1:{port}/{link}", charts=False, prepare=prepare)
        yield Follows(visit, draw)
        assert [trouble for trouble in visit.troubles if not TO_BE_EXPECTED.search(trouble)] == []
    finally:
        context.close()


def link(cell: str, pace: float | str, draw: random.Random) -> str:
    return f"#cell={cell}&seed={draw.randrange(1000)}&hidden_size=16&most_streams=2&noise=0.05&pace={pace}"


def now() -> float:
    return time.time()
