"""The page on the phone of somebody who reads Chinese, opened by a link with the tour: one page for all these tests."""

import re
from collections.abc import Iterator

import httpx
import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from model.checkpoint import Checkpoint, model_id
from model.network import Network
from model.recipe import Recipe
from tests.support.visits import PHONE, Visit
from tests.support.words import WORDS, everything


def upload_a_model_named_in_letters(server_url: str) -> None:
    """The page calls a model that somebody uploaded by the start of its id, which may look like a word."""
    recipe = Recipe(hidden_size=3)
    networks = (Network(recipe.cell, recipe.hidden_size, torch.Generator().manual_seed(seed)) for seed in range(1000))
    files = (Checkpoint.of_network(recipe, network).to_bytes() for network in networks)
    file = next(file for file in files if re.search("[a-f]{2}", model_id(file)[:6]))
    assert httpx.post(server_url + "/models", content=file).is_success


@pytest.fixture(scope="module")
def greeted(browser: Browser, server_url: str) -> Iterator[Visit]:
    """The page as the link has opened it."""
    upload_a_model_named_in_letters(server_url)
    context = browser.new_context(viewport=PHONE, locale="zh-CN", has_touch=True, is_mobile=True)
    page = Visit(context, server_url + "/#tour=1&seed=5")
    yield page
    context.close()
    assert page.troubles == []


@pytest.fixture(scope="module")
def built(greeted: Visit) -> Visit:
    """The page without the tour, at rest, with every part of it built."""
    page = greeted
    if page.at("tour-close").count():
        page.at("tour-close").click()
    page.draws(12)
    page.pauses()
    page.page.locator("#recipe > summary").tap()
    everything(page)
    return page


@pytest.fixture
def page(built: Visit) -> Iterator[Visit]:
    yield built
    built.page.keyboard.press("Escape")
    assert built.troubles == []


def test_an_address_begins_the_tour_and_the_first_station_draws_the_tutorials_picture(greeted: Visit) -> None:
    page = greeted
    card = page.at("tour-card")
    expect(card.locator("h2")).to_have_text(WORDS["zh"]["tour.picture.title"])
    picture = "() => document.querySelector('.tour .picture').data?.map(({name, x, y}) => ({name, x, y})) ?? []"
    page.until(lambda: len(page.page.evaluate(picture)) == 2, "two curves")
    cos, sin = page.page.evaluate(picture)
    assert (len(cos["x"]), cos["x"][0], cos["x"][-1]) == (100, 0, 2)
    assert (cos["y"][0], round(sin["y"][0], 9), cos["name"]) == (1, 0, WORDS["zh"]["tour.legend.target"])
    expect(card.locator(".legend")).to_contain_text(WORDS["zh"]["tour.legend.input"])
    page.until(lambda: len(page.opened()) >= 2, "the station's run")
    page.at("tour-close").click()
    page.until(lambda: page.opened()[-1]["recipe"]["seed"] == 5, "the address's run")


def test_a_chinese_browser_is_greeted_in_chinese(greeted: Visit) -> None:
    expect(greeted.at("status")).to_have_text("实时")


NAMES = r"""PyTorch|TensorFlow|ONNX( Runtime)?|AMD|EPYC|Intel|Xeon|Adam|SGD|RNN|GRU|LSTM|Unrolled|EN|API|GPU|Python|HTTP
sine?|cos|tanh|detach|batch|time step|scan|Tour|ValueError:.*|You marked.*|[\d.,]+\s?m?s|nn\.\w+|torch\.\w+|tf\.\w+
CSV|JSON|PNG|pandas|safetensors|SHA-256|float32
allow_rnn|curl|torch|numpy|retain_graph=True|optimizer\.step\(\)|dynamic=True|POST /predict|Esc""".replace("\n", "|")
"""What has no other name in Chinese: names of things, of keys and of code, and a framework's own words."""


def test_the_chinese_page_says_everything_but_names_and_code_in_chinese(page: Visit) -> None:
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


CALLED = (
    r"\b(Unrolled|API|CSV|JSON|PyTorch|TensorFlow|ONNX Runtime|RNN|GRU|LSTM|Adam|SGD|detach|[0-9a-f]{16})\b|“[^”]*”"
)
"""What is called so in Chinese too, a model's id, and what is quoted."""


def is_english(text: str) -> bool:
    """Words and no Chinese character, or three words in a row."""
    rest = re.sub(CALLED, "", text)
    words = re.search("[A-Za-z]{3}", rest) and not re.search("[\u4e00-\u9fff]", text)
    return bool(words or re.search(r"([A-Za-z]{2,} ){2}[A-Za-z]{2,}", rest))


def test_no_english_is_left_on_the_chinese_page(page: Visit) -> None:
    for built in ("#happening #detach-cards li", "#pad #pad-says", "#graphs [data-kind]"):
        expect(page.page.locator(built).first).to_be_visible()
    page.at("link").click()
    expect(page.at("share")).to_be_visible()
    texts: list[str] = page.page.evaluate(
        """() => {
          const own = 'code, pre, kbd, .icon, script, style, [lang=en], [hidden], #share-address, #graphs-made';
          const found = [];
          const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          for (let node = walk.nextNode(); node; node = walk.nextNode())
            if (!node.parentElement.closest(own)) found.push(node.data.trim());
          for (const element of document.querySelectorAll('body *'))
            for (const name of ['aria-label', 'aria-valuetext', 'title', 'placeholder', 'alt', 'data-title'])
              if (element.hasAttribute(name) && !element.closest(own)) found.push(element.getAttribute(name));
          return found;
        }"""
    )
    assert len(texts) > 100
    assert [text for text in texts if is_english(text)] == []


MEASURED = """exempt => [...document.querySelectorAll("button, input, select, textarea, summary, a[href]")]
  .filter((each) => each.checkVisibility({visibilityProperty: true, opacityProperty: false}) && !each.matches(exempt))
  .map((each) => {
    const around = [each, ...(each.labels ?? [])].filter((box) => box === each || box.contains(each));
    const boxes = around.map((box) => box.getBoundingClientRect());
    const size = (side) => Math.max(...boxes.map((box) => box[side]));
    return [each.id || each.dataset.testid || each.className || each.textContent, size("width"), size("height")];
  })"""


def test_every_target_of_a_phone_has_44_pixels_and_nothing_scrolls_sideways(page: Visit) -> None:
    for language in ("zh", "en"):
        page.speaks(language)
        measured = page.page.evaluate(MEASURED, ".skip")
        assert len(measured) > 60
        small = [each for each in measured if min(each[1:]) < 43.9]
        assert small == [], small
        assert page.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    expect(page.at("graphs-made")).to_contain_text(" cores")
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


def test_a_thumb_reads_the_wave_across_and_scrolls_the_page_along(page: Visit) -> None:
    page.speaks("en")
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
