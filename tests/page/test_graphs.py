"""The graph lab on the page: what was recorded, a run on this server, and what is said of both."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from model.lab.kinds import KINDS
from tests.support.lab_page import RECORDING, Resident, lab, number, only_quick, row
from tests.support.node import folded
from tests.support.visits import DESK, PHONE, Visit, Visits

PLAN = {
    "type": "plan",
    "chunks": RECORDING["chunks"],
    "kinds": [
        {"kind": name, "framework": "torch", "cheap": True, "installed": True, "install": None} for name in KINDS
    ],
}


# ---------------------------------------------------------------- the recording


def test_the_recording_comes_only_when_its_panel_comes_near(lab_resident: Resident) -> None:
    before, near = lab_resident.fetched
    assert [url for url in before if url.endswith("/static/main.js")]
    assert not [url for url in before if "graphs" in url]
    assert [url for url in near if url.endswith("/static/graphs.json")]


def test_the_recording_says_when_on_what_and_with_what(visit_with: Callable[..., Visit]) -> None:
    page = visit_with()
    made = page.at("graphs-made")
    expect(made).to_contain_text(RECORDING["processor"])
    expect(made).to_contain_text(str(int(RECORDING["made"][8:10])))
    expect(made).to_contain_text(RECORDING["made"][:4])
    expect(made).to_contain_text(f"TensorFlow {RECORDING['versions']['tensorflow']}")
    for recorded in RECORDING["rows"]:
        expect(number(page, recorded["kind"], "graphs")).to_have_text(str(recorded["graphs"][-1]))
        paths = row(page, recorded["kind"]).locator(".bars path")
        bars = paths.evaluate_all("all => all.map(path => path.getAttribute('d'))")
        failed = recorded["seconds"].count(None)
        assert sum(path.count("z") for path in bars) == len(RECORDING["chunks"]) - failed
        assert bars[-1].count("L") == 2 * failed, "two strokes for each chunk that failed"


def test_a_row_opens_by_keyboard_and_shows_what_was_really_said(visit_with: Callable[..., Visit]) -> None:
    page = visit_with()
    recorded = next(one for one in RECORDING["rows"] if one["kind"] == "tensorflow_v1")
    button = row(page, "tensorflow_v1").get_by_role("button")
    expect(button).to_have_attribute("aria-expanded", "false")
    button.focus()
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    said = row(page, "tensorflow_v1").locator(".said")
    for error in recorded["errors"]:
        expect(said).to_contain_text(error["text"])
    expect(said).to_contain_text(f"chunk {recorded['errors'][0]['chunks'][0] + 1} ")
    button.press("Space")
    expect(said).to_have_count(0)
    row(page, "compile_static").get_by_role("button").click()
    expect(row(page, "compile_static").locator(".said")).to_contain_text("allow_rnn")
    row(page, "compile_static").get_by_role("button").click()


def test_the_article_says_only_what_the_numbers_bear_out(visit_with: Callable[..., Visit]) -> None:
    article = visit_with().at("graphs-article")
    expect(article.locator("h3")).to_have_count(3)
    expect(article).to_contain_text("the batch may be of any size, but the time step is fixed")
    expect(article).to_contain_text("it is the other way round")
    expect(article).to_contain_text("Cannot feed value of shape")
    assert not re.search(r"\{|undefined|NaN|graphs\.", article.inner_text())


def test_a_framework_that_was_absent_says_how_to_have_it_and_the_article_nothing_of_it(visit: Visits) -> None:
    nothing: dict[str, list[Any]] = {"seconds": [], "graphs": [], "computed": [], "loss": [], "errors": [], "notes": []}
    gone = {"status": "absent", "setup_seconds": None, "import_seconds": None}
    rows = [one if one["kind"].startswith(("eager", "padded")) else one | nothing | gone for one in RECORDING["rows"]]

    def answers(page: Page) -> None:
        page.route("**/static/graphs.json", lambda route: route.fulfill(json=RECORDING | {"rows": rows}))

    page = visit(charts=False, prepare=answers)
    page.pauses()
    lab(page)
    expect(row(page, "tf_function").locator(".absent")).to_contain_text("pip install 'unrolled[tensorflow]'")
    expect(number(page, "tf_function", "median")).to_have_text("–")
    expect(row(page, "eager").locator(".absent")).to_be_hidden()
    article = page.at("graphs-article")
    expect(article).to_contain_text("What it says of PyTorch holds")
    for word in ("other way round", "tf.function", "torch.compile", "torch.export"):
        expect(article).not_to_contain_text(word)


# ---------------------------------------------------------------- for everyone


def test_it_fits_a_phone_and_reads_in_chinese(visit_with: Callable[..., Visit]) -> None:
    page = lab(visit_with())
    page.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.speaks("zh")
    expect(page.page.locator("#graphs-title")).to_have_text("静态还是动态：计算图实验室")
    expect(page.at("graphs-made")).to_contain_text("录制")
    expect(page.at("graphs-article")).to_contain_text("实测恰好相反")
    for kind in KINDS:
        row(page, kind).get_by_role("button").click()
    text = page.page.locator("#graphs").inner_text()
    assert not re.search(r"graphs\.(kind|column|phase|about|details|article|stage)|\{\w+\}|undefined|NaN", text)
    assert page.page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    sizes = "all => Math.min(...all.map(e => parseFloat(getComputedStyle(e).fontSize)))"
    assert page.page.locator("#graphs *").evaluate_all(sizes) >= 12
    page.speaks("en")
    expect(row(page, "padded")).to_contain_text("PyTorch, padded")
    for kind in KINDS:
        row(page, kind).get_by_role("button").click()
    page.page.set_viewport_size(DESK)  # type: ignore[arg-type]


def test_the_chunk_under_the_pointer_is_told(visit_with: Callable[..., Visit]) -> None:
    page = lab(visit_with())
    bars = row(page, "padded").locator(".bars")
    tip = page.page.locator("#graphs .tip")
    bars.hover(position={"x": 2, "y": 20}, force=True)  # what opens the row lies over all of it
    expect(tip).to_contain_text(f"chunk 1 · {RECORDING['chunks'][0]['length']} steps")
    box = bars.bounding_box()
    assert box is not None
    page.page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 20)
    expect(tip).to_contain_text(f"chunk {len(RECORDING['chunks'])} ·")
    expect(row(page, "padded")).to_have_class(re.compile("pointed"))
    page.page.mouse.move(box["x"] - 200, box["y"] + 20)
    expect(tip).to_be_hidden()


# ---------------------------------------------------------------- a run on this server


def test_a_run_is_cancelled(visit_with: Callable[..., Visit]) -> None:
    page = visit_with(only_quick)
    page.at("graphs-run").click()
    expect(page.at("graphs-says")).to_have_text(re.compile("^1 of 2"))
    page.at("graphs-cancel").click()
    expect(page.at("graphs-says")).to_have_text("Cancelled. What had come stays.")
    expect(page.at("graphs-run")).to_be_focused()
    expect(row(page, "eager")).to_contain_text("not finished")


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ([PLAN, {"type": "waiting", "ahead": 2}], "In line, 2 before you…"),
        ([PLAN, {"type": "error", "code": "busy", "field": "", "detail": "16 wait already"}], "16 wait already"),
        ([PLAN, {"type": "surprise"}], "unknown message type: surprise"),
        ([PLAN, {"type": "began", "kind": "eager", "framework": "torch"}, None], "The connection was lost."),
    ],
    ids=["in line", "busy", "unknown message", "disconnected"],
)
def test_what_keeps_a_run_waiting_is_said(
    visit_with: Callable[..., Visit], answers: list[dict[str, Any] | None], sentence: str
) -> None:
    def answer(route: WebSocketRoute) -> None:
        for message in answers:
            route.send(json.dumps(message)) if message else route.close()

    page = visit_with(answer)
    page.at("graphs-run").click()
    expect(page.at("graphs-says")).to_contain_text(sentence)
    over = "waiting" not in str(answers)
    expect(page.at("graphs-run" if over else "graphs-cancel")).to_be_visible()


# ---------------------------------------------------------------- graphs/state.js, a pure function


def test_state_grows_a_row_chunk_by_chunk_and_leaves_the_old_state_alone() -> None:
    result = folded(
        f"const plan = {json.dumps(PLAN)};"
        """{
        const state = await import('/static/graphs/state.js');
        const figures = await import('/static/graphs/figures.js');
        const fold = (from, ...messages) => messages.reduce(state.apply, from);
        const chunk = (index, seconds, error = null) => ({type: 'chunk', kind: 'eager', index, seconds, graphs: index,
          computed: 40, loss: null, error});
        const began = {type: 'began', kind: 'eager', framework: 'torch'};
        const start = fold(state.initialState(), {type: 'ask'}, plan);
        const one = fold(start, began, {type: 'setup', kind: 'eager', seconds: 0.5, import_seconds: 1}, chunk(0, 0.1));
        const two = fold(one, chunk(1, null, 'no'), chunk(2, null, 'no'), chunk(3, 0.3));
        const {failed, median, total, slowest} = figures.figures(two.live.eager, plan.chunks);
        return {before: one.live.eager.seconds.length, errors: two.live.eager.errors, failed, median, slowest,
          total: Math.round(total * 10), lost: fold(two, {type: 'lost'}).live.eager.status,
          after: fold(two, {type: 'done'}, {type: 'lost'}).stage,
          sources: state.shownRows(two).map(({source}) => source).slice(0, 3)};
        }"""
    )
    assert result == {
        "before": 1,
        "errors": [{"chunks": [1, 2], "text": "no"}],
        "failed": 2,
        "median": 0.2,
        "slowest": 0.3,
        "total": 9,
        "lost": "cancelled",
        "after": "done",
        "sources": ["recording", "live", "recording"],
    }
