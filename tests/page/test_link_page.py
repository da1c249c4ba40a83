"""The link on the page: it opens the same run, follows what is done, is refused with words, and hides what it names."""

import json
import re
from urllib.parse import urlsplit

import pytest
import segno
from playwright.sync_api import Route, expect

from app.protocol.updates import encode_updates
from app.routes.qr import QUIET_ZONE, svg
from model.learner import Learner
from model.recipe import Change, Recipe
from tests.support.viewers import timeless
from tests.support.visits import DESK, PHONE, Visit, Visits

MADE = ("update", "length", "streams", "stream_ids", "t", "input", "target", "prediction", "loss", "mean_loss")


def fragment(page: Visit) -> str:
    return urlsplit(page.page.url).fragment


def follows(page: Visit, wanted: str) -> None:
    page.until(lambda: fragment(page) == wanted, f"the address says {wanted!r}, not {fragment(page)!r}")


# ---------------------------------------------------------------- opening


def test_a_link_opens_the_same_run_number_for_number(visit: Visits, server_url: str) -> None:
    link = "#seed=3&cell=gru&hidden_size=8&change=2:learning_rate=0.005,carry_state=false&change=5:train=false&pace=max"
    page = visit(server_url + "/" + link, charts=False)
    page.draws(9)
    recipe = Recipe(seed=3, cell="gru", hidden_size=8)
    changes = [
        Change.model_validate({"after_update": 2, "learning_rate": 0.005, "carry_state": False}),
        Change.model_validate({"after_update": 5, "train": False}),
    ]
    learner = Learner(recipe, changes=changes)
    wanted = json.loads(encode_updates([learner.advance() for _ in range(9)]))["updates"]
    shown = timeless(page.updates()[:9])
    assert [{name: update[name] for name in MADE} for update in shown] == timeless(wanted)
    (asked,) = (message for message in page.sent if message["type"] == "open")
    assert asked["pace"] == "max", "the very first run is the link's"
    expect(page.page.locator("#pace-value")).to_have_text("max")
    page.pauses()
    page.page.wait_for_timeout(600)
    assert "#" + fragment(page) == link, "and its address stays as it is"


def test_a_link_back_is_followed_before_the_page_has_written_the_address_between(page: Visit) -> None:
    page.choose("seed", 2)
    follows(page, "seed=2")
    page.page.evaluate("""() => new Promise((done) => {
      addEventListener('hashchange', () => {
        location.hash = '#seed=2';
        addEventListener('hashchange', done, {once: true});
      }, {once: true});
      location.hash = '#seed=3';
    })""")
    asked = [2, 3, 2]
    page.until(lambda: [run["recipe"]["seed"] for run in page.opened()][-3:] == asked, "the last one is there")


def test_the_address_follows_what_is_done_and_no_history_is_made(page: Visit, visit: Visits) -> None:
    page.draws(2)
    page.pauses()
    expect(page.page.locator("#recipe-seed")).to_be_enabled()
    follows(page, "")
    before = page.page.evaluate("history.length")
    assert before < 40, "50 are the most: one more would be seen"
    page.page.locator("body").press("r")
    page.draws(1)
    page.choose("seed", 7)
    follows(page, "seed=7")
    page.at("play").click()
    page.choose("learning_rate", 0.5)
    page.until(lambda: "change=" in fragment(page), "a live change is in the address")
    (change,) = re.findall(r"change=(\d+):learning_rate=0.5", fragment(page))
    page.at("pace").fill("0")
    follows(page, f"seed=7&change={change}:learning_rate=0.5&pace=0.2")
    page.speaks("zh")
    page.at("theme").click()
    follows(page, f"seed=7&change={change}:learning_rate=0.5&pace=0.2&lang=zh&theme=dark")
    assert page.page.evaluate("history.length") == before

    other = visit(page.page.url, charts=False)
    other.draws(1)
    assert other.opened()[0]["recipe"] == page.opened()[-1]["recipe"]
    assert other.opened()[0]["changes"] == [{"after_update": int(change), "learning_rate": 0.5}]
    expect(other.at("status")).to_have_text("实时")
    assert other.page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
    assert other.page.evaluate("localStorage.length") == 0, "a link's language and theme are not kept"


def test_another_link_in_the_same_tab_is_opened_and_one_that_is_refused_leaves_the_run(page: Visit) -> None:
    page.draws(2)

    def paste(link: str) -> None:
        page.page.evaluate("link => { location.hash = link }", link)

    paste("#seed=9&hide=network&pace=30&lang=zh")
    page.until(lambda: len(page.opened()) == 2, "the pasted link is opened")
    page.draws(2)
    assert page.opened()[1]["recipe"]["seed"] == 9
    expect(page.page.locator("#network")).to_be_hidden()
    expect(page.at("status")).to_have_text("实时")

    paste("#hidden_size=500&pace=2")
    expect(page.at("notice")).to_contain_text("“隐藏单元数”取值从 1 到 128，不能是 500。")
    expect(page.at("toast")).to_be_hidden()
    before = page.update
    page.until(lambda: page.update > before + 20, "the run goes on")
    assert fragment(page) == "hidden_size=500&pace=2", "not overwritten"
    page.page.locator("body").press("d")
    expect(page.at("notice")).to_be_hidden()
    page.until(lambda: "hidden_size" not in fragment(page), "another run was chosen")
    assert "pace=30" in fragment(page)

    paste("#hide=nothing")
    expect(page.at("notice")).to_contain_text("没有“nothing”")
    page.page.locator("#notice-action").click()
    expect(page.at("notice")).to_be_hidden()
    expect(page.page.locator("#network")).to_be_visible()
    page.until(lambda: page.opened()[-1]["recipe"]["seed"] == 1, "the default run")


def test_a_twin_chosen_before_a_links_run_is_drawn_stays_chosen(page: Visit) -> None:
    expect(page.page.locator("#recipe-seed")).to_be_enabled()
    page.page.evaluate("""() => {
      const wire = wires.at(-1);
      const select = document.getElementById('twin');
      wire.addEventListener('message', function chooses({data}) {
        if (typeof data !== 'string' || JSON.parse(data).type !== 'opened') return;
        wire.removeEventListener('message', chooses);
        select.value = 'uniform';
        select.dispatchEvent(new Event('change'));
      });
      location.hash = '#seed=9&hide=network';
    }""")
    follows(page, "seed=9&twin=uniform&hide=network")
    expect(page.page.locator("#network")).to_be_hidden()


def test_a_run_asked_for_while_a_links_is_on_its_way_is_not_taken_for_it(page: Visit) -> None:
    expect(page.page.locator("#recipe-seed")).to_be_enabled()
    page.page.evaluate("""() => {
      addEventListener('hashchange', () => document.getElementById('reset').click(), {once: true});
      location.hash = '#seed=9&hide=network&twin=uniform&theme=dark';
    }""")
    follows(page, "")
    assert page.opened()[-1]["recipe"]["seed"] == 1
    expect(page.page.locator("#network")).to_be_visible()
    assert page.at("twin").input_value() == ""


REFUSED = [
    ("#hidden_size=500", "Hidden size: from 1 to 128, not 500."),
    ("#hide=recipe.nose", "hide: there is no “recipe.nose”; there are recipe."),
]
REFUSED_TOO = [
    ("#weights=" + "a" * 150_000, "It is 150009 characters long; 131072 are the most."),
    ("#hide=netwrk", "hide: there is no “netwrk”; there are masthead, transport,"),
    ("#weights=deadbeef", "Weights: this server has no model “deadbeef”."),
    ("#sede=3", "There is no field “sede” in the recipe."),
    ("#change=5:cell=gru", "Cell: it restarts the run and cannot be changed on the way."),
    ("#change=5:train=true,train=false", "change: “train” is given twice in “5:train=true,train=false”."),
    ("#change=5", "31:learning_rate=0.005, not “5”"),
    ("#pace=900", "pace: from 0.2 to 60 updates per second, or max, not “900”."),
    ("#longest=6&samples=40", "longest (6) times samples must stay within 120 time steps"),
    ("#hide=" + "a" * 100_000, f"hide: there is no “{'a' * 60}…”; there are masthead, "),
    ("#hide=lessons.tall", "hide: there is no “lessons.tall”; there are lessons.endless, lessons.static,"),
    ("#twin=tall", "twin: there is no “tall”; there are reset, fixed,"),
]


@pytest.mark.parametrize(("link", "why"), REFUSED, ids=[link[:20] for link, _ in REFUSED])
def test_a_link_that_is_refused_says_why_and_waits_for_a_choice(
    visit: Visits,
    server_url: str,
    link: str,
    why: str,
) -> None:
    page = visit(server_url + "/" + link, charts=False)
    expect(page.at("notice")).to_contain_text("This link cannot be opened. ")
    expect(page.at("notice")).to_contain_text(why)
    expect(page.page.locator("#recipe-seed")).to_be_enabled()
    expect(page.at("toast")).to_be_hidden()
    expect(page.at("status")).to_have_text("paused")
    assert "#" + fragment(page) == link
    page.page.locator("#notice-action").click()
    page.draws(2)
    expect(page.at("notice")).to_be_hidden()
    assert page.opened()[-1]["recipe"] == Recipe().model_dump()
    follows(page, "")


def test_whatever_is_wrong_with_a_link_is_named(page: Visit) -> None:
    page.draws(1)
    expect(page.page.locator("#recipe-seed")).to_be_enabled()
    for link, why in REFUSED_TOO:
        page.page.evaluate("link => { location.hash = link }", link)
        expect(page.at("notice")).to_contain_text(why)
        assert "#" + fragment(page) == link


def test_what_is_quoted_of_a_link_fits_a_phone(page: Visit) -> None:
    page.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.page.evaluate("() => { location.hash = `#hide=${'a'.repeat(100_000)}` }")
    expect(page.at("notice")).to_contain_text("a" * 60 + "…”")
    notice = page.at("notice").evaluate("it => [it.scrollWidth, it.clientWidth, it.clientHeight]")
    assert notice[0] == notice[1]
    assert notice[2] < 320


# ---------------------------------------------------------------- hiding


def test_a_field_of_the_recipe_is_hidden_and_a_notice_is_seen_without_the_wave(page: Visit) -> None:
    page.opens("stop_after=3&hide=wave,recipe.noise")
    expect(page.page.locator("[data-field=samples]")).to_be_visible()
    expect(page.page.locator("[data-field=noise]")).to_be_hidden()
    expect(page.at("notice")).to_be_visible()
    expect(page.at("notice")).to_contain_text("3 updates done")


# ---------------------------------------------------------------- the dialog


DRAWN = """size => {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 4 * size;
  const pen = canvas.getContext('2d');
  pen.drawImage(document.querySelector('.share-code img'), 0, 0, 4 * size, 4 * size);
  const { data } = pen.getImageData(0, 0, 4 * size, 4 * size);
  const dark = (row, column) => (data[4 * ((4 * row + 2) * 4 * size + 4 * column + 2)] < 128 ? 1 : 0);
  return Array.from({ length: size }, (_, row) => Array.from({ length: size }, (_, column) => dark(row, column)));
}"""
"""The modules of the code as the page shows it."""


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_dialog_shows_address_and_code_and_what_is_ticked_is_on_the_page(
    page: Visit,
    size: dict[str, int],
) -> None:
    page.page.set_viewport_size(size)  # type: ignore[arg-type]

    codes: dict[str, bytes] = {}

    def heard(route: Route) -> None:
        answer = route.fetch()
        body = answer.body()
        codes[json.loads(route.request.post_data or "")["text"]] = body
        route.fulfill(body=body, content_type=answer.headers["content-type"])

    def has_code(fragment: str) -> bytes:
        """The code of the address with this fragment, once it was asked for and came."""
        wanted = page.page.url.split("#")[0] + fragment
        page.until(lambda: wanted in codes, f"a code of {fragment!r}")
        return codes.pop(wanted)

    page.page.route("**/qr", heard)
    page.draws(1)
    page.pauses()
    expect(page.page.locator("#recipe-seed")).to_be_enabled()
    page.at("link").click()
    expect(page.at("share")).to_be_visible()
    has_code("")
    page.at("show-microscope").uncheck()
    follows(page, "hide=microscope")
    page.at("share-tour").check()  # while the run rests, nothing else has the page drawn
    expect(page.page.locator("#microscope")).to_be_hidden()
    follows(page, "hide=microscope&tour=1")
    expect(page.at("share-address")).to_have_value(page.page.url)
    assert has_code("#hide=microscope&tour=1") == svg(page.page.url)
    code = [list(row) for row in segno.make_qr(page.page.url, error="l").matrix_iter(border=QUIET_ZONE)]
    page.until(lambda: page.page.evaluate(DRAWN, len(code)) == code, "the page shows that code")
    page.at("show-microscope").check()
    page.at("share-tour").uncheck()
    has_code("")
    expect(page.page.locator("#microscope")).to_be_visible()
    follows(page, "")
    page.page.keyboard.press("d")
    page.page.keyboard.press("Escape")
    expect(page.at("share")).to_be_hidden()
    assert len(page.opened()) == 1, "the transport's keys rest while the dialog is open"
    expect(page.at("link")).to_be_focused()


def test_an_address_too_long_for_a_code_says_so(page: Visit) -> None:
    changes = "".join(f"&change={update}:learning_rate=0.01" for update in range(1000, 1080))
    page.opens("seed=3&lang=zh" + changes)
    page.draws(1)
    page.at("link").click()
    expect(page.at("share").get_by_role("alert")).to_have_text(
        f"无法生成二维码：网址有 {len(page.page.url)} 个字符，最多 2000 个。"
    )


BEHIND = """dialog => {
  const title = document.createRange();
  title.selectNodeContents(dialog.querySelector('h2'));
  const [from, to] = [title, dialog.querySelector('.about-button svg')].map((it) => it.getBoundingClientRect());
  return to.left - from.right;
}"""
"""How many pixels behind a dialog's title its ⓘ stands."""


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_about_button_of_a_dialog_stands_right_behind_its_title(
    page: Visit,
    size: dict[str, int],
) -> None:
    page.page.set_viewport_size(size)  # type: ignore[arg-type]
    page.speaks("zh")
    page.draws(1)
    page.pauses()
    expect(page.page.locator(".about-button").first).to_be_visible()
    for opens, dialog in (("link", "share"), ("script", "script-dialog")):
        page.page.locator(f"#{opens}").click()
        expect(page.at(dialog).locator(".about-button")).to_be_visible()
        assert 0 < page.at(dialog).evaluate(BEHIND) < 24
        page.page.keyboard.press("Escape")
        expect(page.at(dialog)).to_be_hidden()


# ---------------------------------------------------------------- Chinese


def test_refusals_and_warnings_are_chinese_on_the_chinese_page(page: Visit) -> None:
    page.speaks("zh")
    page.draws(1)
    page.choose("samples", 40)
    page.until(lambda: len(page.opened()) == 2, "the new run")
    page.draws(1)
    page.choose("longest", 6)
    expect(page.page.locator("#wrong-longest")).to_contain_text("的设置有冲突（longest (6) times")
    page.at("source-paste").check()
    page.at("numbers").fill("5 1e9")
    page.at("predict-go").click()
    expect(page.at("predict-error")).to_have_text(re.compile(r"^“序列”超出允许范围（sequence\.1: "))
    page.until(lambda: len(page.troubles) == 1, "Chromium notes the 422")
    page.troubles.clear()
    page.at("numbers").fill("0 5 0 -5 0")
    page.at("predict-go").click()
    expect(page.at("predict-warnings")).to_contain_text("振幅超出训练时的范围（sequence: amplitude 5: ")
