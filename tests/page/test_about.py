"""What explains the page: two sentences for every panel and control, help, tables, the spoken summary."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.node import folded
from tests.support.visits import Visit
from tests.support.words import SENTENCE, WORDS, everything

CONTROLS = "button, input, select, textarea, summary, a[href], [role=switch]"
EXEMPT = ".about, .about-button, .as-close, .skip, #toast-close, [data-testid=tour-close], [data-testid=share-close]"
"""The ⓘ themselves, what closes a dialog, a message or the tour, and the link for those who walk by keyboard."""

EXPLAINED = """([controls, exempt]) => {
  const seen = (element) => element.checkVisibility({visibilityProperty: true});
  const all = [...document.querySelectorAll(controls)].filter((each) => seen(each) && !each.matches(exempt));
  return all.map((control) => {
    control.focus();
    const ids = (control.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean);
    const texts = ids.map((id) => document.getElementById(id)).filter((each) => each && each.dataset.says);
    const list = texts[0]?.closest("[popover]");
    const button = list ? list.previousElementSibling : texts[0]?.parentElement.querySelector(".about");
    const masthead = control.closest(".masthead") && document.querySelector("#help");
    return {
      control: `${control.tagName}#${control.id || control.className} ${control.textContent.trim().slice(0, 30)}`,
      texts: texts.map((each) => each.dataset.says === "field" ? each.firstChild.textContent : each.textContent),
      opened: Boolean(masthead || (button && seen(button))),
    };
  });
}"""

PANELS = """() => [...document.querySelectorAll("[data-panel]")].map(({dataset: {panel}}) => [
  panel,
  [...document.querySelectorAll(`#about-${panel}`)].map((about) => about.textContent.replace(/\\s+/g, " ")),
  document.querySelectorAll(`[data-about-of="${panel}"]`).length,
])"""


def test_every_control_and_panel_has_two_sentences_in_both_languages(page: Visit) -> None:
    page.draws(2)
    expect(page.at("summary")).to_have_text(re.compile(r"^Update [\d,]+, loss [\d.e-]+"))
    expect(page.at("summary")).to_have_attribute("aria-live", "polite")
    page.pauses()
    everything(page)
    for language in ("en", "zh"):
        page.speaks(language)
        for source in ("paste", "generate"):
            page.at(f"source-{source}").check()
            controls = page.page.evaluate(EXPLAINED, [CONTROLS, EXEMPT])
            assert len(controls) > 60
            for control in controls:
                assert control["opened"], control
                assert len(control["texts"]) == 1, control
                assert len(re.findall(SENTENCE[language], control["texts"][0])) == 2, control
        panels = page.page.evaluate(PANELS)
        assert len(panels) == len({panel for panel, _, _ in panels}) >= 14
        for panel, texts, buttons in panels:
            text = WORDS[language][f"about.panel.{panel}"]
            assert len(re.findall(SENTENCE[language], text)) == 2, panel
            assert len(texts) == buttons == 1, panel
            assert text in texts[0]


@pytest.mark.parametrize(("opener", "controls"), [("link", 18), ("script", 2)])
def test_every_control_of_a_dialog_has_two_sentences_too(page: Visit, opener: str, controls: int) -> None:
    page.draws(1)
    page.pauses()
    expect(page.page.locator(".about-button").first).to_be_visible()
    page.at(opener).click()
    dialog = page.page.locator("dialog[open]")
    expect(dialog).to_be_visible()
    expect(dialog.locator("button:disabled")).to_have_count(0)
    explained = page.page.evaluate(EXPLAINED, [f"dialog[open] :is({CONTROLS})", EXEMPT])
    assert len(explained) >= controls
    for control in explained:
        assert control["opened"], control
        assert [len(re.findall(SENTENCE["en"], text)) for text in control["texts"]] == [2], control
    dialog.locator(".about-button").click()
    name = "share" if opener == "link" else opener
    expect(dialog.locator("[popover]")).to_contain_text(WORDS["en"][f"about.panel.{name}"])


def test_a_panel_is_explained_by_its_button_and_by_keyboard(page: Visit) -> None:
    page.draws(1)
    page.pauses()
    button = page.page.locator("[data-about-of=loss]")
    button.focus()
    page.page.keyboard.press("Enter")
    expect(page.page.locator("#about-loss")).to_be_visible()
    expect(page.page.locator("#about-loss")).to_contain_text(WORDS["en"]["about.panel.loss"])
    page.page.keyboard.press("Escape")
    expect(page.page.locator("#about-loss")).to_be_hidden()
    expect(button).to_be_focused()


def test_help_lists_the_keys_and_keys_are_ignored_while_typing(page: Visit) -> None:
    page.draws(1)
    page.pauses()
    expect(page.page.locator(".about-button").first).to_be_visible()
    dialog = page.page.locator("dialog[open]")
    page.page.locator("#recipe-seed").press("Shift+?")
    page.page.locator("#recipe-seed").press("t")
    page.page.locator("#recipe-seed").blur()
    assert dialog.count() == 0
    page.page.locator("body").press("?")
    expect(dialog).to_contain_text(WORDS["en"]["help.what"])
    assert len(re.findall(SENTENCE["en"], WORDS["en"]["help.what"])) == 5
    assert dialog.locator("kbd").all_inner_texts() == ["space", "→", "R", "D", "S", "[", "]", "T", "?", "Esc"]
    expect(dialog).to_contain_text(WORDS["en"]["about.theme"])
    runs = len(page.opened())
    page.page.keyboard.press("r")  # over the page, its keys are not the run's
    page.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert len(page.opened()) == runs
    assert page.at("tour-card").count() == 0
    page.at("help").click()
    dialog.get_by_role("button", name="Close").click()
    expect(page.at("help")).to_be_focused()


def test_the_page_says_what_the_servers_log_calls_its_connection(page: Visit) -> None:
    page.draws(1)
    page.pauses()
    name = page.opened()[-1]["connection"]
    assert page.page.locator("#status-word").get_attribute("title") == f"connection {name}"
    page.page.locator("body").press("?")
    expect(page.page.locator("dialog[open]")).to_contain_text(f"the name of your connection: {name}.")


def test_keys_for_tour_and_help_do_nothing_behind_a_dialog(page: Visit) -> None:
    asked: list[str] = []
    page.page.on("request", lambda request: asked.append(request.url))
    page.draws(1)
    page.pauses()
    expect(page.page.locator(".about-button").first).to_be_visible()
    page.at("link").click()
    dialog = page.page.locator("dialog[open]")
    expect(dialog).to_have_count(1)
    dialog.get_by_role("button").first.focus()
    page.page.keyboard.press("t")
    page.page.keyboard.press("?")
    page.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.page.keyboard.press("?")
    expect(dialog).to_contain_text(WORDS["en"]["help.what"])
    page.page.keyboard.press("?")
    page.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert not [url for url in asked if url.endswith("/tour.js")]


def test_the_preset_that_resets_the_state_says_what_is_remembered(page: Visit) -> None:
    page.draws(1)
    preset = page.page.locator("[data-preset=no_memory]")
    expect(preset).to_have_text("State reset")
    preset.click()
    expect(preset).to_have_attribute("aria-pressed", "true")
    expect(page.page.locator("#preset-caption")).to_contain_text("remembers within a chunk")
    assert not page.opened()[-1]["recipe"]["carry_state"]
    page.page.locator("[data-language=zh]").click()
    expect(preset).to_have_text("状态清零")
    expect(page.page.locator("#preset-caption")).to_contain_text("片段之内记得住")


def test_what_the_charts_draw_is_there_as_tables(page: Visit) -> None:
    page.draws(4)
    page.pauses()
    newest = page.updates()[-1]
    page.at("table-wave").click()
    table = page.page.locator("dialog table")
    expect(table.locator("caption")).to_contain_text(f"Update {newest['update']}")
    expect(table.locator("tbody tr")).to_have_count(newest["length"])
    assert table.locator("thead th").evaluate_all("all => all.map((cell) => cell.scope)") == ["col"] * 5
    errors = [float(text) for text in table.locator("tbody td:last-child").all_inner_texts()]
    for error, got, wanted in zip(errors, newest["prediction"][0], newest["target"][0], strict=True):
        assert error == pytest.approx(got - wanted, abs=1e-4)
    page.page.keyboard.press("Escape")
    page.at("table-loss").click()
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(newest["update"])
    first = rows.first.locator("th, td").all_inner_texts()
    assert first[:3] == [str(newest["update"]), str(newest["length"]), "1"]
    assert float(first[3]) == pytest.approx(newest["loss"], rel=1e-3)
    assert rows.first.locator("th").get_attribute("scope") == "row"


SPOKEN = """
    const {Summary} = await import('/static/aids/summary.js');
    const said = [];
    const element = {set textContent(text) { said.push([now, text]); }};
    let now = 0, later = null;
    const clock = {now: () => now, later: (call, wait) => { later = {call, at: now + wait}; return 1; }};
    const words = {language: 'en',
      say: (key, values = {}) => [words.language, key, ...Object.values(values)].join(' ')};
    const summary = new Summary(element, words, clock);
    const recipe = {...opened.recipe, carry_state: true};
    let at = state.apply(state.initialState(), {...opened, recipe, floors: {memoryless: 0.53, no_carry: 0.06}});
    at = state.apply(at, {type: 'connection', status: 'live'});
    const hears = (message) => summary.draw(at = state.apply(at, message));
    let made = 0;
    const runs = (updates) => {
      for (const last = made + updates; made < last; ) {
        now += 100;
        hears({type: 'updates', updates: [chunk(made += 1)]});
      }
    };
    const rests = (until) => {
      for (; now < until; now += 100) {
        if (later && now >= later.at) { const {call} = later; later = null; call(); }
        summary.draw(at);
      }
    };
"""
"""A summary whose clock stands until it is moved on, by ten updates a second or by rest."""


def spoken(script: str) -> list[tuple[int, str]]:
    """What it says while `script` runs: milliseconds and text."""
    said: list[tuple[int, str]] = folded(SPOKEN + script + "return said;")
    return said


def test_the_spoken_summary_comes_at_most_every_five_seconds() -> None:
    said = spoken(
        """
        runs(130);
        hears({type: 'pause'});
        rests(30000);
        at = state.apply(at, {type: 'play'});
        hears({type: 'finished', update: 60});""",
    )
    times = [time for time, _ in said]
    assert times == [5000, 10000, 15000, 30000]
    assert said[0][1].startswith("en summary.playing 50")
    assert "summary.floor.memoryless" in said[0][1]
    assert "summary.floor.no_carry" in said[1][1]
    assert said[2][1].startswith("en summary.paused 130")
    assert said[3][1].startswith("en summary.finished")


def test_a_pause_after_a_play_is_said_again_however_short_the_play() -> None:
    said = spoken(
        """
        runs(60);
        hears({type: 'pause'});
        rests(12000);
        hears({type: 'play'});
        runs(20);
        hears({type: 'pause'});
        rests(30000);
        hears({type: 'play'});
        hears({type: 'pause'});
        rests(60000);""",
    )
    assert [(time, *text.split()[1:3]) for time, text in said] == [
        (5000, "summary.playing", "50"),
        (10000, "summary.paused", "60"),
        (15000, "summary.paused", "80"),
        (30000, "summary.playing", "80"),
        (35000, "summary.paused", "80"),
    ]


def test_in_another_language_the_summary_is_said_again() -> None:
    said = spoken(
        """
        runs(60);
        words.language = 'zh';
        runs(60);
        hears({type: 'pause'});
        rests(20000);
        words.language = 'en';
        rests(40000);
        words.language = 'zh';
        rests(41000);
        words.language = 'en';
        rests(60000);""",
    )
    assert [(time, *text.split()[:2]) for time, text in said] == [
        (5000, "en", "summary.playing"),
        (10000, "zh", "summary.playing"),
        (15000, "zh", "summary.paused"),
        (20000, "en", "summary.paused"),
        (40000, "zh", "summary.paused"),
        (45000, "en", "summary.paused"),
    ]
