"""Draw your own: a hand, the arrow keys or a sine moves the pen, and the network answers as POST /predict does."""

import json
import math
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.support.node import folded
from tests.support.visits import PHONE, Visit, Visits

Wires = list[str]


class Pad:
    """A page's pad, scrolled to and loaded, with what went over its own sockets."""

    def __init__(self, page: Visit) -> None:
        self.visit, self.page = page, page.page
        self.wires: Wires = []
        self.files: list[str] = []
        self.page.on("websocket", lambda wire: self.wires.append(wire.url))
        self.page.on("request", lambda request: self.files.append(request.url))
        page.draws(1)
        page.pauses()
        self.before = list(self.files)
        self.page.locator("#pad").evaluate("element => element.scrollIntoView({block: 'center'})")
        expect(page.at("pad-says")).to_have_text("Nothing is sent until you draw.")
        self.turn = 0

    @property
    def samples(self) -> list[float]:
        return [x for message in self.visit.sent if message["type"] == "sample" for x in message["x"]]

    @property
    def answers(self) -> list[float]:
        return [y for message in self.visit.received if message["type"] == "prediction" for y in message["y"]]

    def swings(self, until: Callable[[], bool], what: str) -> None:
        """The mouse goes up and down over the pad, a little further each time it is looked."""
        box = self.page.get_by_test_id("pad-lines").bounding_box()
        assert box is not None
        left, middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        def looks() -> bool:
            self.turn += 1
            self.page.mouse.move(left, middle - 110 * math.sin(0.25 * self.turn))
            return until()

        self.visit.until(looks, what)

    def leaves(self) -> None:
        """The mouse leaves; from then on nothing is sent, and everything that was is answered."""
        self.page.mouse.move(5, 5)
        expect(self.visit.at("pad-says")).to_contain_text("At rest")
        self.visit.until(lambda: len(self.answers) == len(self.samples), "every sample is answered")

    def pixels(self, canvas: str, token: str) -> int:
        """How many pixels of a canvas have exactly the colour of a token."""
        count: int = self.page.evaluate(
            "async ([canvas, token]) => { const {readPalette} = await import('/static/page/palette.js');"
            "const wanted = readPalette()[token].match(/\\d+/g).map(Number);"
            "const sheet = document.getElementById(canvas);"
            "const copy = new OffscreenCanvas(sheet.width, sheet.height).getContext('2d', {willReadFrequently: true});"
            "copy.drawImage(sheet, 0, 0);"
            "const {data} = copy.getImageData(0, 0, sheet.width, sheet.height); let count = 0;"
            "for (let i = 0; i < data.length; i += 4) count += data[i + 3] === 255"
            " && wanted.every((value, j) => data[i + j] === value); return count }",
            [canvas, token],
        )
        return count


@pytest.fixture
def visit_with(visit: Visits) -> Callable[..., Pad]:
    """Opens the page with the pad's socket answered by the test."""

    def visit_with(answers: Callable[[WebSocketRoute], None]) -> Pad:
        return Pad(visit(charts=False, prepare=lambda page: page.route_web_socket("**/ws/predict", answers)))

    return visit_with


def posted(url: str, samples: list[float]) -> list[float]:
    answer = httpx.post(url + "/predict", json={"sequence": samples}, timeout=30).raise_for_status().json()
    prediction: list[float] = answer["prediction"]
    return prediction


def test_nothing_runs_before_use_and_a_hand_is_answered_as_predict_would(
    visit: Visits,
    server_url: str,
) -> None:
    pad = Pad(visit(charts=False))
    assert not [url for url in pad.before if "/static/pad" in url and url.endswith(".js")], "its files come when near"
    assert [url for url in pad.files if url.endswith("/static/pad/pad.js")]
    pad.page.mouse.move(700, 500)
    pad.page.mouse.wheel(0, 40)
    frames = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    pad.page.evaluate(frames)
    assert not [url for url in pad.wires if "/ws/predict" in url], "a page that scrolls under the pointer is no use"
    assert pad.pixels("pad-lines", "prediction") == 0

    pad.swings(lambda: len(pad.samples) >= 50 and max(pad.samples) > 0.5 > -0.5 > min(pad.samples), "a whole swing")
    expect(pad.visit.at("pad-says")).to_have_text("Live. It was trained on 0.3 to 3.1 swings a second.")
    pad.leaves()
    np.testing.assert_allclose(pad.answers, posted(server_url, pad.samples), rtol=0, atol=1e-6)
    assert pad.pixels("pad-lines", "prediction") > 200
    assert pad.pixels("pad-lines", "input") > 100
    assert pad.pixels("pad-circle", "prediction") > 30
    assert len([url for url in pad.wires if "/ws/predict" in url]) == 1

    pad.visit.at("pad-clear").click()
    pad.visit.until(lambda: pad.pixels("pad-lines", "prediction") == 0, "the pad is empty")
    heard = len(pad.samples)
    pad.swings(lambda: len(pad.samples) >= heard + 10, "10 more samples")
    pad.leaves()
    np.testing.assert_allclose(pad.answers[heard:], posted(server_url, pad.samples[heard:]), rtol=0, atol=1e-6)


def test_arrow_keys_move_the_pen_and_what_nobody_uses_is_closed(visit: Visits) -> None:
    pad = Pad(visit(charts=False))
    pad.page.clock.install()
    closed: list[str] = []
    pad.page.on("websocket", lambda wire: wire.on("close", lambda one: closed.append(one.url)))
    resting = pad.visit.update
    pad.page.locator("#pad").evaluate("element => element.scrollIntoView({block: 'center'})")
    pen = pad.visit.at("pad-pen")
    pen.focus()
    for _ in range(3):
        pad.page.keyboard.press("ArrowUp")
    pad.visit.until(lambda: pad.samples[-1:] > [0.14], "the pen has gone up by three steps")
    assert pad.samples == sorted(pad.samples), "it glides"
    pad.page.keyboard.press("Home")
    pad.visit.until(lambda: pad.samples[-1] < -0.996, "the pen is at the bottom")
    pad.visit.until(lambda: len(pad.answers) >= 20, "the network answers")
    assert pad.visit.update == resting, "the keys are the pen's alone"

    pad.page.clock.fast_forward(3_000)
    expect(pad.visit.at("pad-says")).to_contain_text("At rest: pen −1.00")
    expect(pen).to_have_attribute("aria-valuetext", "−1.00")
    assert closed == []
    pad.page.clock.fast_forward(10_000)
    pad.visit.until(lambda: len(closed) == 1, "the socket is closed")
    expect(pad.visit.at("pad-says")).to_have_text("Nothing is sent until you draw.")


def test_a_sine_draws_itself_and_is_answered_with_its_cosine(visit: Visits) -> None:
    pad = Pad(visit(charts=False, reduced_motion="reduce"))
    auto = pad.visit.at("pad-auto")
    expect(auto).not_to_be_checked()
    expect(pad.page.locator("#pad-target")).to_be_hidden()
    auto.check()
    pad.visit.until(lambda: len(pad.answers) >= 80, "80 answers")
    phases = np.arange(len(pad.samples)) * np.pi / 16
    np.testing.assert_allclose(pad.samples, np.sin(phases), rtol=0, atol=1e-5)
    answered = np.array(pad.answers)
    assert np.square(answered - np.cos(phases[: len(answered)]))[32:].mean() < 1e-4
    expect(pad.page.locator("#pad-target")).to_be_visible()
    expect(pad.visit.at("pad-reading")).to_contain_text("e-")
    expect(pad.visit.at("pad-off")).to_contain_text("0.00")
    pad.page.mouse.move(5, 5)
    auto.uncheck()
    pad.leaves()
    count = len(pad.samples)
    pad.visit.at("play").click()
    pad.visit.draws(pad.visit.update + 3)  # time passes
    assert len(pad.samples) == count, "nothing runs on"


def test_a_full_hall_and_a_lost_socket_are_told_and_the_next_movement_connects_again(
    visit_with: Callable[..., Pad],
) -> None:
    tried: list[WebSocketRoute] = []

    def answers(route: WebSocketRoute) -> None:
        tried.append(route)
        if len(tried) == 1:
            route.close(code=1013, reason="the hall is full; try again later")
        else:
            route.connect_to_server()

    pad = visit_with(answers)
    says = pad.visit.at("pad-says")
    pad.swings(lambda: len(tried) == 1, "a first attempt")
    expect(says).to_have_text("The hall is full. Draw again in a moment.")
    pad.swings(lambda: says.inner_text().startswith("Live"), "it is live")
    assert len(tried) == 2, "a movement does not hammer at a door that is shut"
    tried[1].close(code=1012)
    expect(says).to_have_text("The connection was lost. Draw again to reconnect.")
    pad.swings(lambda: len(tried) == 3, "another attempt")
    pad.swings(lambda: says.inner_text().startswith("Live"), "it is live again")
    detail = "256 predictions wait already"
    tried[2].send(json.dumps({"type": "error", "code": "busy", "field": "", "detail": detail}))
    expect(says).to_have_text(f"The server says: {detail}")


def test_a_thumb_draws_on_the_pad_and_the_page_stays_where_it_is(visit: Visits, server_url: str) -> None:
    page = visit(charts=False, viewport=PHONE, has_touch=True, is_mobile=True, locale="zh-CN")
    words = json.loads(httpx.get(server_url + "/static/i18n/zh.json").text)
    page.draws(1)
    page.page.locator(".pad-stage").evaluate("element => element.scrollIntoView({block: 'center'})")
    expect(page.at("pad-says")).to_have_text(words["pad.says.off"])
    box = page.at("pad-lines").bounding_box()
    assert box is not None
    top = page.page.evaluate("scrollY")
    cdp = page.page.context.new_cdp_session(page.page)
    point = {"x": box["x"] + 200, "y": box["y"] + 140}
    cdp.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    sent: list[float] = []
    turn = 0

    def thumb() -> bool:
        nonlocal turn
        turn += 1
        moved = point | {"y": point["y"] - 110 * math.sin(0.25 * turn)}
        cdp.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [moved]})
        sent[:] = [x for message in page.sent if message["type"] == "sample" for x in message["x"]]
        return len(sent) >= 40 and max(sent) > 0.5 > -0.5 > min(sent)

    page.until(thumb, "a whole swing")
    cdp.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.at("pad-says")).to_contain_text("停笔")
    assert page.page.evaluate("scrollY") == top
    for name in ("pad-pen", "pad-clear"):
        size = page.at(name).bounding_box()
        assert size is not None
        assert size["height"] >= 44
    label = page.page.locator("label:has(#pad-auto)").bounding_box()
    assert label is not None
    assert label["height"] >= 44
    assert page.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    look = """switch_ => { const {width, height, borderTopWidth, borderBottomWidth} = getComputedStyle(switch_);
      return [width, height, borderTopWidth, borderBottomWidth] }"""
    assert (
        page.at("pad-auto").evaluate(look) == page.at("detach-switch").evaluate(look) == ["52px", "44px", "8px", "8px"]
    )


def test_state_is_bounded_and_leaves_out_what_was_answered_before_a_reset() -> None:
    result = folded(
        """{
        const state = await import('/static/pad/state.js');
        const fold = (from, ...messages) => messages.reduce(state.apply, from);
        const drawn = (x) => ({type: 'sampled', x, target: x.map(() => null)});
        const said = (y) => ({type: 'prediction', y});
        const start = fold(state.initialState(), {type: 'connecting'}, {type: 'opened', model: {interval: [0.1, 0.7]}});
        const many = Array.from({length: state.KEPT + 5}, (_, i) => i);
        const long = fold(start, drawn(many.slice(0, 10)), said(many.slice(0, 10).map((i) => -i)),
          drawn(many.slice(10)));
        const cleared = fold(start, drawn([1, 2]), {type: 'forget'}, drawn([3]), said([9, 9]), {type: 'reset'},
          said([4]));
        const round = fold(start, {type: 'sampled', x: [0, 1], target: [1, 0]}, said([1, 0.5]));
        let wrong = '';
        try { fold(start, {type: 'magic'}); } catch (error) { wrong = error.message; }
        return {kept: [long.first, long.x.length, long.x[0], long.y], before: start.x.length,
          cleared: [cleared.x, cleared.y], judged: state.judged(round, 2), few: state.judged(round, 3), wrong};
        }"""
    )
    assert result["kept"] == [5, 320, 5, [-5, -6, -7, -8, -9]]
    assert result["before"] == 0
    assert result["cleared"] == [[3], [4]]
    assert result["judged"]["mse"] == pytest.approx(0.125)
    assert result["judged"]["off"] == pytest.approx((math.hypot(1, 0.5) - 1) / 2)
    assert result["few"] == {"mse": None, "off": None}
    assert result["wrong"] == "unknown message magic"
