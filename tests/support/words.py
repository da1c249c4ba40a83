"""The page's words, and all that it can show at once."""

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.support.visits import Visit

STATIC = Path(__file__).parents[2] / "static"


WORDS = {name: json.loads((STATIC / "i18n" / f"{name}.json").read_text("utf-8")) for name in ("en", "zh")}


SENTENCE = {"en": r"[.!?](?=\s|$)", "zh": r"[。！？]"}


def everything(page: Visit) -> None:
    """Bring every part of the page in sight, so that all that is built late is there."""
    expect(page.page.locator("#recipe-form .field")).to_have_count(17)
    expect(page.page.locator(".about-button").first).to_be_visible()
    passes(page)
    expect(page.page.locator("#detach-cards li")).to_have_count(5)
    expect(page.page.locator("#graphs [data-kind]")).to_have_count(9)
    passes(page)  # whatever was built too late for the first time


def passes(page: Visit) -> None:
    """Scroll from top to bottom, with a frame for whatever waits to be seen."""
    page.page.evaluate("scrollTo(0, 0)")
    for panel in page.page.locator("[data-panel]").all():
        if panel.is_visible():
            panel.scroll_into_view_if_needed()
        page.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
