"""The page with Plotly's charts, which one page draws for all these tests: loading them costs more than most tests."""

import json
import re
import shlex
from collections.abc import Sequence

import httpx
from playwright.sync_api import Page, expect

from model.lab.kinds import KINDS
from tests.support.lab_page import RECORDING, lab
from tests.support.lanes import colours, middle
from tests.support.stages import STAGES, WORDS, slowed, views, walks
from tests.support.stations import CUT, STATIONS
from tests.support.visits import DESK, PHONE, Visit


def test_it_learns_without_a_click(charted: Visit) -> None:
    page = charted
    page.draws(2)
    before = page.trace("prediction")
    page.until(lambda: page.trace("prediction") != before, "the curve moves")
    page.says({"type": "pace", "pace": "max"})  # which is no click
    page.until(lambda: float(page.at("loss").inner_text() or 1) < 0.1, "the loss falls under 0.1")
    expect(page.at("status")).to_have_text("live")
    page.says({"type": "pause"})
    page.page.locator("#loss-chart").scroll_into_view_if_needed()
    page.until(lambda: len(page.trace("mean", "loss-chart")["y"]) > 5, "the loss is drawn")
    expect(page.at("network-text")).to_contain_text("Linear(in_features=32")
    expect(page.at("lengths")).to_have_text(re.compile(r"^((10|20|30) ?)+$"))
    acknowledged = [message["update"] for message in page.sent if message["type"] == "seen"]
    assert acknowledged == sorted(set(acknowledged))


def test_panning_stops_following_until_jump_to_live(charted: Visit) -> None:
    page = charted
    page.draws(12)
    traces = page.page.evaluate("() => document.getElementById('wave').data.length")
    box = page.page.locator("#wave .nsewdrag").first.bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.page.mouse.move(*middle)
    page.page.mouse.down()
    page.page.mouse.move(middle[0] + 120, middle[1], steps=5)
    page.page.mouse.up()
    expect(page.at("jump")).to_be_visible()
    where = "() => document.getElementById('wave').layout.xaxis.range"
    held = page.page.evaluate(where)
    page.draws(page.update + 4)
    assert page.page.evaluate(where) == held
    page.at("jump").click()
    expect(page.at("jump")).to_be_hidden()
    page.until(lambda: page.page.evaluate(where) != held, "the wave follows again")
    page.at("show-input").uncheck()
    page.draws(page.update + 4)
    assert page.page.evaluate("() => document.getElementById('wave').data.length") == traces - 1, "the input's"
    assert len(page.trace("prediction")["x"]) <= 2100


def test_a_prediction_is_drawn_and_its_curl_says_the_same(charted: Visit) -> None:
    page = charted
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.pauses()
    page.at("carry").check()
    page.at("predict-go").click()
    expect(page.at("predict-mse")).to_contain_text("mean squared error")
    page.until(lambda: len(page.trace("prediction", "predict-chart")["y"]) == 60, "the answer is drawn")
    drawn = page.trace("prediction", "predict-chart")["y"]
    page.at("copy").click()
    expect(page.at("copy")).to_have_text("Copied")
    copied = page.page.evaluate("() => navigator.clipboard.readText()")
    assert copied == page.at("curl").inner_text()
    body = json.loads(shlex.split(copied)[-1])
    assert httpx.post(shlex.split(copied)[2], json=body).json()["prediction"] == drawn
    expect(page.page.locator("#carry-caption")).to_contain_text("goes on")
    page.at("source-paste").check()
    page.at("predict-go").click()
    page.until(lambda: len(page.trace("prediction", "predict-chart")["y"]) == 11, "the pasted numbers' answer")
    assert "state" in json.loads(shlex.split(page.at("curl").inner_text())[-1])
    page.at("numbers").fill("0.1, nonsense")
    expect(page.at("predict-error")).to_have_text("“nonsense” is not a number.")
    expect(page.at("predict-go")).to_be_disabled()
    page.at("source-generate").check()


def test_it_fits_and_reads_on_desk_and_phone_in_both_themes_and_languages(charted: Visit) -> None:
    page = charted
    page.draws(2)
    expect(page.page.locator("#recipe-form .field")).to_have_count(17)
    page.at("pace").fill("55")  # some four updates a second: time for everything else
    for size, theme, language in [
        (DESK, "light", "zh"),
        (DESK, "dark", "en"),
        (PHONE, "dark", "zh"),
        (PHONE, "light", "en"),
    ]:
        page.page.set_viewport_size(size)  # type: ignore[arg-type]
        page.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.speaks(language)
        page.draws(page.update + 2)
        assert page.page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        chart = page.page.locator("#wave .main-svg").first.bounding_box()
        assert chart is not None
        assert chart["width"] <= size["width"]
        assert min(contrasts(page, READ).values()) >= 4.5, (contrasts(page, READ), theme)
        assert page.page.locator("#recipe").evaluate("recipe => recipe.open") is (size is DESK)
    targets = ":is(#transport button, #presets button, .masthead-tools > *):not(#keep-open)"  # which is for the desk
    heights = page.page.locator(targets).evaluate_all("all => all.map(e => e.getBoundingClientRect().height)")
    assert min(heights) >= 44
    bar = page.page.locator("#transport").bounding_box()
    assert bar is not None
    assert round(bar["y"] + bar["height"]) == PHONE["height"]


READ = (
    "body",
    ".tagline",
    "#preset-caption",
    "#status",
    ".key.target",
    ".key.prediction",
    ".field .help",
    "#onnx-says",
)


def contrasts(page: Visit, selectors: Sequence[str]) -> dict[str, float]:
    """WCAG contrast of each text against the page's ground."""

    def luminance(colour: str) -> float:
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for c in (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    colours = page.page.evaluate(
        "names => [getComputedStyle(document.body).backgroundColor, "
        "...names.map(name => getComputedStyle(document.querySelector(name)).color)]",
        list(selectors),
    )
    ground, *texts = map(luminance, colours)
    ratios = ((max(text, ground) + 0.05) / (min(text, ground) + 0.05) for text in texts)
    return dict(zip(selectors, ratios, strict=True))


def hidden(page: Page, selector: str) -> bool:
    return not page.locator(selector).first.is_visible()


FAR = """([update, phase]) => {
  const t = [Array.from({length: 20}, (_, i) => Math.PI * (phase + i / 10))];
  const zeros = [Array(20).fill(0)];
  const chunk = {update, length: 20, streams: 1, stream_ids: [0], t, input: zeros, target: zeros, prediction: zeros};
  const updates = [{...chunk, loss: 0.5, mean_loss: 0.5, milliseconds: {}}];
  wires.at(-1).onmessage({data: JSON.stringify({type: 'updates', updates})});
}"""
"""The page hears of an update that is millions of others on."""


def test_numbers_of_seven_digits_are_read_on_desk_and_phone(charted: Visit) -> None:
    page = charted
    page.pauses()
    for update, view in ((2_000_000, DESK), (2_000_001, PHONE)):
        page.page.set_viewport_size(view)  # type: ignore[arg-type]
        page.until(lambda: page.page.evaluate("wave._fullLayout.width === wave.clientWidth"), "the wave is as wide")
        page.page.evaluate(FAR, [update, 2 * update])
        expect(page.page.locator("body")).to_have_attribute("data-update", str(update))
        expect(page.at("update")).to_have_text(f"{update:,}")
        labels = page.page.locator("#wave .xtick text")
        expect(labels.last).to_contain_text("4,000,00")
        marked = labels.evaluate_all("texts => texts.map((text) => text.getAttribute('transform') ?? '')")
        assert not any(re.search(r"rotate\((?!0)", transform) for transform in marked), "they stand side by side"
        fits = (
            "(number) => number.scrollWidth <= number.clientWidth && number.getBoundingClientRect().right <= innerWidth"
        )
        assert page.at("update").evaluate(fits)


def test_a_link_hides_panels_and_controls_and_nobody_pays_for_them(charted: Visit) -> None:
    page = charted
    names = "recipe,state,gradient,odometer,network,predict.carry,transport.seed,masthead.language,lessons.gru"
    page.opens(f"hide={names}")
    page.draws(3)
    shown, gone = (
        ("#wave-panel", "#loss-panel", "#reset", "#samples", "#theme", "[data-preset=lstm]"),
        (
            *("#recipe", "#lane-state", "#lane-gradient", "#odometer", "#network"),
            *("#carry", "#new-seed", "[data-language=zh]", "[data-preset=gru]"),
        ),
    )
    assert [name for name in shown if hidden(page.page, name)] == []
    assert [name for name in gone if not hidden(page.page, name)] == []
    page.until(lambda: "hidden" not in page.updates()[-1], "nothing is asked for lanes that are not there")
    assert "gradient" not in page.updates()[-1]
    assert "nodes" not in page.updates()[-1]
    width = page.page.locator("#wave .main-svg").first.bounding_box()
    assert width is not None
    assert width["width"] > DESK["width"] - 100, "the wave takes the recipe's room"
    assert page.page.evaluate("document.documentElement.scrollWidth") <= DESK["width"]


def test_a_lane_that_is_lit_is_lit_at_this_chunk_alone(charted: Visit) -> None:
    page = charted
    page.page.emulate_media(reduced_motion="reduce")
    page.opens("framework=torch")
    page.draws(12)
    page.pauses()
    slowed(page)
    page.draws(page.updates()[-1]["update"])

    def alphas(lane: str) -> list[float]:
        """Of the last chunk but one, and of this one, in quarters: a bar's edge may be a little less than it is."""
        pixels = [colours(page, lane, [middle(chunk, chunk["length"] // 2)])[0] for chunk in page.updates()[-2:]]
        return [round(4 * alpha / 255) / 4 for _, _, _, alpha in pixels]

    lit: dict[str, list[list[float]]] = {}
    for name in STAGES:
        walks(page, name)
        lit[name] = [alphas("state"), alphas("gradient")]
    assert lit["forward"][0] == [0.25, 1]
    assert lit["loss"] == [[1, 1], [1, 0]], "a lane that is not lit steps back as a whole"
    assert lit["backward"][1] == [0.25, 1]
    assert lit["detach"] == [[0.25, 1], [0.25, 1]]
    page.page.keyboard.press("Escape")
    page.until(lambda: alphas("state") + alphas("gradient") == [1] * 4, "all of it is there again")


WRITTEN = """() => { window.written = [];
const plain = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
  written.push([this.canvas.dataset.testid ?? this.canvas.id, text]);
  plain.call(this, text, ...at);
}; }"""


def test_what_came_while_a_lane_was_out_of_sight_is_hatched_and_says_so(charted: Visit) -> None:
    page = charted
    page.draws(6)
    resting = page.pauses()
    lane = page.at("lane-state")
    assert lane.get_attribute("aria-description") is None
    page.page.evaluate(WRITTEN)
    lanes = {"hidden", "gradient"}
    page.page.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
    page.until(lambda: not lanes & views(page), "neither lane is in sight")
    for step in range(1, 9):
        page.page.keyboard.press("ArrowRight")
        page.draws(resting + step)
        if step == 6:
            page.page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
            page.until(lambda: lanes <= views(page), "both are")
    missed = [chunk for chunk in page.updates() if chunk["update"] > resting and not lanes & set(chunk)]
    assert [chunk["update"] - resting for chunk in missed] == [1, 2, 3, 4, 5, 6]
    for name in ("state", "gradient"):
        expect(page.at(f"lane-{name}")).to_have_attribute("aria-description", WORDS["en"]["unrecorded"])
        assert [f"lane-{name}", WORDS["en"]["unrecorded"]] in page.page.evaluate("written")
        steps = [middle(chunk, step) for chunk in missed[-3:] for step in range(chunk["length"])]
        inked = [pixel[3] > 0 for pixel in colours(page, name, steps)]
        assert 0.05 < sum(inked) / len(inked) < 0.8, "lines with nothing between them"
    box = lane.bounding_box()
    assert box is not None
    low, high = page.page.evaluate("document.getElementById('wave').layout.xaxis.range")
    x = 36 + (middle(missed[-1], 4) - low) / (high - low) * (box["width"] - 36 - 16)
    lane.hover(position={"x": x, "y": 20})
    expect(page.at("lane-tip")).to_have_text(WORDS["en"]["unrecorded"])
    page.page.locator("[data-language=zh]").click()
    expect(lane).to_have_attribute("aria-description", WORDS["zh"]["unrecorded"])
    assert ["lane-state", WORDS["zh"]["unrecorded"]] in page.page.evaluate("written")


def test_bars_of_the_odometer_that_were_not_recorded_are_hatched_until_they_are_gone(charted: Visit) -> None:
    page = charted
    page.opens("framework=torch")
    page.page.evaluate(WRITTEN)
    page.at("pace").fill("100")
    page.draws(40)
    page.until(lambda: all("nodes" not in chunk for chunk in page.updates()[-40:]), "no bar was recorded")
    page.pauses()
    bars = page.page.locator("#odometer-bars")
    bars.evaluate("bars => bars.scrollIntoView({block: 'center', behavior: 'instant'})")
    expect(bars).to_have_attribute("title", WORDS["en"]["unrecorded"])
    said = ["odometer-bars", WORDS["en"]["unrecorded"]]
    page.until(lambda: said in page.page.evaluate("written"), "it is written across the bars")
    expect(page.at("odometer-nodes")).to_have_text("–")
    page.page.keyboard.press("Space")
    expect(bars).to_have_attribute("title", "")
    expect(page.at("odometer-nodes")).to_have_text(re.compile(r"^\d+$"))
    counted = [chunk for chunk in page.updates() if "nodes" in chunk]
    assert len(counted) >= 40


def test_the_frame_around_what_is_pointed_at_cuts_through_no_words(charted: Visit) -> None:
    page = charted
    page.page.emulate_media(reduced_motion="reduce")
    page.opens("tour=1")
    sizes = [PHONE, DESK]
    for name in STATIONS:
        expect(page.at("tour-card")).to_have_attribute("data-station", name)
        sizes.reverse()  # every other station on the phone first: to be drawn in another size is dear
        for size in sizes:
            page.page.set_viewport_size(size)  # type: ignore[arg-type]
            page.until(lambda: page.page.evaluate(CUT) == [], f"the frame at {name} cuts through no words")
        page.at("tour-next").click()


def test_the_recording_is_drawn(charted: Visit) -> None:
    page = lab(charted)
    page.pauses()
    page.until(lambda: page.page.locator("#graphs-chart .main-svg").count() > 0, "the chart is drawn")
    drawn = page.page.evaluate("() => document.getElementById('graphs-chart').data.map(({uid, y}) => [uid, y.length])")
    assert drawn == [[name, len(RECORDING["chunks"]) + 1] for name in KINDS]
