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
    page.page.evaluate(PASSES)
    expect(page.page.locator("#detach-cards li")).to_have_count(5)
    expect(page.page.locator("#graphs [data-kind]")).to_have_count(9)
    page.page.evaluate(PASSES)  # whatever was built too late for the first time


PASSES = """async () => {
  scrollTo(0, 0);
  for (const panel of document.querySelectorAll("[data-panel]")) {
    if (!panel.checkVisibility()) continue;
    panel.scrollIntoView({block: "center", behavior: "instant"});
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  }
}"""
"""From top to bottom, with a frame for whatever waits to be seen."""
