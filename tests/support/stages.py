"""An update's stages, walked through in slow motion."""

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.support.visits import Visit

STAGES = ["length", "forward", "loss", "backward", "optimizer", "detach"]


I18N = Path(__file__).parents[2] / "static" / "i18n"


WORDS = {name: json.loads((I18N / f"{name}.json").read_text("utf-8")) for name in ("en", "zh")}


def stage(page: Visit) -> str | None:
    return page.page.locator("body").get_attribute("data-stage")


def slowed(page: Visit) -> Visit:
    """Press S once the panel listens, and hold at the first stage."""
    expect(page.at("slow-start")).to_be_enabled()
    page.page.keyboard.press("s")
    page.until(lambda: stage(page) is not None, "a stage")
    page.page.keyboard.press("ArrowLeft")
    while stage(page) != "length":
        page.page.keyboard.press("ArrowLeft")
    return page


def walks(page: Visit, to: str) -> None:
    """From stage to stage, on to this one."""
    while page.at("slow-stages").locator("[aria-current=step]").get_attribute("data-stage") != to:
        page.page.keyboard.press("ArrowRight")


def views(page: Visit) -> set[str]:
    """What the page wants to be sent of an update."""
    return next(set(message["views"]) for message in reversed(page.sent) if "views" in message)
