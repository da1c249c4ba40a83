"""axe-core finds nothing to complain of, whatever is open: WCAG A and AA, and its best practices."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.axe import violations
from tests.support.visits import PHONE, Visit, Visits
from tests.support.words import everything


@pytest.mark.parametrize(
    ("theme", "language", "openers"),
    [("light", "en", ["help", "table-wave"]), ("dark", "zh", ["help", "link", "script"])],
    ids=["desk", "dark, Chinese"],
)
def test_axe_finds_nothing(charted: Visit, theme: str, language: str, openers: list[str]) -> None:
    charted.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    finds_nothing(charted, language, openers)


def test_axe_finds_nothing_on_a_phone(visit: Visits) -> None:
    page = visit(viewport=PHONE, color_scheme="light", has_touch=True, is_mobile=True)
    finds_nothing(page, "en", ["help", "table-loss"])


def finds_nothing(page: Visit, language: str, openers: list[str]) -> None:
    page.speaks(language)
    page.page.locator("#recipe").evaluate("recipe => { recipe.open = true }")
    page.draws(3)
    page.pauses()
    everything(page)
    expect(page.page.locator("body")).not_to_have_class(re.compile("playing"))
    page.page.locator("[data-field=noise] .about").click()
    assert violations(page) == []
    page.page.locator("[data-about-of=wave]").click()
    assert violations(page, "#wave-panel") == []
    page.page.keyboard.press("Escape")
    for opener in openers:
        page.at(opener).click()
        expect(page.page.locator("dialog[open]")).to_be_visible()
        assert violations(page, "dialog[open]") == [], opener
        page.page.keyboard.press("Escape")
        expect(page.page.locator("dialog[open]")).to_have_count(0)
    page.at("tour").click()
    page.at("tour-choice-1").click()
    assert violations(page, ".tour") == []


def test_every_colour_of_words_is_readable_on_every_ground_in_both_themes() -> None:
    css = (Path(__file__).parents[2] / "static" / "style.css").read_text("utf-8")
    pairs = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\)", css))
    for theme in (0, 1):
        colour = {name: luminance(pair.split(", ")[theme]) for name, pair in pairs.items()}

        def contrast(one: float, other: float) -> float:
            return (max(one, other) + 0.05) / (min(one, other) + 0.05)

        for ground in ("paper", "raised"):
            for name in ("ink", "quiet", "target", "prediction", "live", "wait", "trouble"):
                assert contrast(colour[name], colour[ground]) >= 4.5, (name, ground, theme)
        assert contrast(colour["edge"], colour["paper"]) >= 3, theme  # the edges of controls


def luminance(colour: str) -> float:
    """WCAG's relative luminance of #rrggbb."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
