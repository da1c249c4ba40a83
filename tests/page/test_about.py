"""What explains the page: two sentences for every panel and control, help, tables, the spoken summary, a thumb."""

import re
from typing import Any

import httpx
import pytest
import torch
from playwright.sync_api import Page, expect

from model.checkpoint import Checkpoint, model_id
from model.network import Network
from model.recipe import Recipe
from tests.support.node import folded
from tests.support.visits import PHONE, Visit, Visits
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


def test_every_control_and_panel_has_two_sentences_in_both_languages(page: Visit) -> None:
    page.draws(2)
    expect(page.at("summary")).to_have_text(re.compile(r"^Update [\d,]+, loss [\d.e-]+"))
    expect(page.at("summary")).to_have_attribute("aria-live", "polite")
    page.pauses()
    everything(page)
    for language in ("en", "zh"):
        page.page.locator(f"[data-language={language}]").click()
        expect(page.page.locator("html")).to_have_attribute("lang", "zh-CN" if language == "zh" else "en")
        for source in ("paste", "generate"):
            page.at(f"source-{source}").check()
            controls = page.page.evaluate(EXPLAINED, [CONTROLS, EXEMPT])
            assert len(controls) > 60
            for control in controls:
                assert control["opened"], control
                assert len(control["texts"]) == 1, control
                assert len(re.findall(SENTENCE[language], control["texts"][0])) == 2, control
        panels = page.page.locator("[data-panel]").evaluate_all("all => all.map((panel) => panel.dataset.panel)")
        assert len(panels) == len(set(panels)) >= 14
        for panel in panels:
            text = WORDS[language][f"about.panel.{panel}"]
            assert len(re.findall(SENTENCE[language], text)) == 2, panel
            expect(page.page.locator(f"#about-{panel}")).to_contain_text(text)
            expect(page.page.locator(f"[data-about-of={panel}]")).to_have_count(1)


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


NAMES = r"""PyTorch|TensorFlow|ONNX( Runtime)?|AMD|EPYC|Intel|Xeon|Adam|SGD|RNN|GRU|LSTM|Unrolled|EN|API|GPU|Python|HTTP
sine?|cos|tanh|detach|batch|time step|scan|Tour|ValueError:.*|You marked.*|[\d.,]+\s?m?s|nn\.\w+|torch\.\w+|tf\.\w+
CSV|JSON|pandas|safetensors|SHA-256|float32
allow_rnn|curl|torch|numpy|retain_graph=True|optimizer\.step\(\)|dynamic=True|POST /predict|Esc""".replace("\n", "|")
"""What has no other name in Chinese: names of things, of keys and of code, and a framework's own words."""


def upload_a_model_named_in_letters(server_url: str) -> None:
    """The page calls a model that somebody uploaded by the start of its id, which may look like a word."""
    recipe = Recipe(hidden_size=3)
    networks = (Network(recipe.cell, recipe.hidden_size, torch.Generator().manual_seed(seed)) for seed in range(1000))
    files = (Checkpoint.of_network(recipe, network).to_bytes() for network in networks)
    file = next(file for file in files if re.search("[a-f]{2}", model_id(file)[:6]))
    assert httpx.post(server_url + "/models", content=file).is_success


def test_the_chinese_page_says_everything_but_names_and_code_in_chinese(visit: Visits, server_url: str) -> None:
    upload_a_model_named_in_letters(server_url)
    page = visit(charts=False, locale="zh-CN")
    page.draws(2)
    page.pauses()
    everything(page)
    expect(page.at("graphs-made")).to_contain_text(" 核）")
    texts: list[str] = page.page.evaluate("""() => {
      const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      const texts = [];
      for (let node; (node = walk.nextNode()); ) {
        const {parentElement: element} = node;
        if (!element.closest("script, pre, code, textarea, [lang=en]")) texts.push(node.textContent.trim());
      }
      for (const element of document.querySelectorAll("[aria-label]")) texts.push(element.ariaLabel);
      return texts;
    }""")
    assert len(texts) > 400
    names = rf"{NAMES}|^[0-9a-f]{{16}}$| · [0-9a-f]{{6}}$"  # ids of uploaded models, whole and shortened
    assert {text for text in texts if re.search("[A-Za-z]{2}", re.sub(names, "", text))} == set()
    page.page.locator("[data-language=en]").click()
    expect(page.at("graphs-made")).to_contain_text(" cores")


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


# ---------------------------------------------------------------- a phone

MEASURED = """exempt => [...document.querySelectorAll("button, input, select, textarea, summary, a[href]")]
  .filter((each) => each.checkVisibility({visibilityProperty: true, opacityProperty: false}) && !each.matches(exempt))
  .map((each) => {
    const around = [each, ...(each.labels ?? [])].filter((box) => box === each || box.contains(each));
    const boxes = around.map((box) => box.getBoundingClientRect());
    const size = (side) => Math.max(...boxes.map((box) => box[side]));
    return [each.id || each.dataset.testid || each.className || each.textContent, size("width"), size("height")];
  })"""


def phone(visit: Visits, **options: Any) -> Visit:
    return visit(viewport=PHONE, has_touch=True, is_mobile=True, **options)


def test_every_target_of_a_phone_has_44_pixels_and_nothing_scrolls_sideways(visit: Visits) -> None:
    page = phone(visit, charts=False)
    page.draws(2)
    page.pauses()
    page.page.locator("#recipe > summary").tap()
    everything(page)
    for language in ("en", "zh"):
        page.page.locator(f"[data-language={language}]").tap()
        expect(page.page.locator("html")).to_have_attribute("lang", "zh-CN" if language == "zh" else "en")
        measured = page.page.evaluate(MEASURED, ".skip")
        assert len(measured) > 60
        small = [each for each in measured if min(each[1:]) < 43.9]
        assert small == [], small
        assert page.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    tops = page.page.locator("main > *, .trio > *").evaluate_all(
        "all => all.filter((each) => each.checkVisibility()).map((each) => each.getBoundingClientRect().left)"
    )
    assert max(tops) - min(tops) <= PHONE["width"] - 44  # one column: only an ⓘ stands at the right


def touch(page: Page, start: tuple[float, float], *moves: tuple[float, float]) -> None:
    """One finger's way over the glass."""
    session = page.context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    send("touchStart", start)
    x, y = start
    for to_x, to_y in moves:
        for step in range(1, 9):
            send("touchMove", (x + (to_x - x) * step / 8, y + (to_y - y) * step / 8))
        x, y = to_x, to_y
    send("touchEnd")


SCROLL_RESTS = """() => new Promise((rests) => {
    let at = null;
    const look = () => {
        if (at === scrollY) return rests();
        at = scrollY;
        setTimeout(look, 150);
    };
    look();
})"""


def test_a_thumb_reads_the_wave_across_and_scrolls_the_page_along(visit: Visits) -> None:
    page = phone(visit)
    page.draws(12)
    page.pauses()
    expect(page.page.locator(".about-button").first).to_be_visible()
    page.page.locator("#wave").evaluate("wave => wave.scrollIntoView({block: 'center', behavior: 'instant'})")
    labels = page.page.locator("#wave .hoverlayer .hovertext")
    scrolled = lambda: page.page.evaluate("() => scrollY")  # noqa: E731
    box = page.page.locator("#wave .nsewdrag").bounding_box()
    assert box is not None
    left, middle = box["x"] + 60, box["y"] + box["height"] / 2
    where = "() => document.getElementById('wave').layout.xaxis.range"
    held, before = page.page.evaluate(where), scrolled()
    touch(page.page, (left, middle), (left + 60, middle))
    expect(labels.first).to_contain_text("phase")
    first = labels.first.text_content()
    touch(page.page, (left, middle), (left + 120, middle))
    page.until(lambda: labels.first.text_content() != first, "another place, another value")
    assert (page.page.evaluate(where), scrolled()) == (held, before), "it reads and does not drag"
    touch(page.page, (left, middle), (left, middle - 160))
    page.until(lambda: scrolled() > before + 80, "the page scrolls")
    page.page.evaluate(SCROLL_RESTS)  # a tap on a page that still moves only stops it
    page.page.locator("#wave").evaluate("wave => wave.scrollIntoView({block: 'center', behavior: 'instant'})")
    page.page.touchscreen.tap(left + 90, middle)
    expect(labels.first).to_be_visible()
