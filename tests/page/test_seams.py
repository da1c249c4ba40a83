"""What the page shows of seams: the lanes, the floors, the microscope, the odometer, and the twin run beside."""

import base64
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from model.learner import Learner
from model.recipe import Change, Recipe
from tests.support.anew import begins_anew, newest
from tests.support.ear import Ear
from tests.support.lanes import colours, middle
from tests.support.node import folded
from tests.support.visits import DESK, SECONDS, Visit

TALL = DESK | {"height": 1600}


@pytest.fixture(scope="module")
def resident(browser: Browser, server_url: str) -> Iterator[Visit]:
    """One page for all these tests, as Plotly takes seconds to start."""
    context = browser.new_context(viewport=TALL, locale="en-US")
    resident = Visit(context, server_url + "/")
    resident.draws(1)
    yield resident
    context.close()


@pytest.fixture(scope="module")
def plain(resident: Visit) -> dict[str, Any]:
    """The recipe of a first visit."""
    return recipes(resident)[0]


@pytest.fixture(scope="module")
def at_rest() -> dict[str, bool]:
    """Whether the page rests as `rested` left it."""
    return {"page": False}


@pytest.fixture
def rested(resident: Visit, plain: dict[str, Any], at_rest: dict[str, bool]) -> Iterator[Visit]:
    """The page at rest after some updates of PyTorch's, for tests that look, or ask for another update."""
    if not at_rest["page"]:
        begins_anew(resident, plain)
        resident.opens("framework=torch")
        resident.draws(12)
        resident.until(lambda: "nodes" in resident.updates()[-1], "graphs are counted")
        resident.pauses()
    at_rest["page"] = True
    yield resident
    assert resident.troubles == []


@pytest.fixture
def page(resident: Visit, plain: dict[str, Any], at_rest: dict[str, bool]) -> Iterator[Visit]:
    """The page with its first run begun anew, as a visitor meets it."""
    at_rest["page"] = False
    begins_anew(resident, plain)
    yield resident
    if resident.page.evaluate("document.body.classList.contains('playing')"):
        resident.at("play").click()  # nobody looks
    assert resident.troubles == []


def both_rest(page: Visit) -> int:
    """Pause a run and its twin; the update that both then rest at. A checkpoint comes behind whatever was under way."""
    page.at("play").click()
    page.until(lambda: [message["type"] for message in page.sent].count("pause") == 2, "both are told")
    before = page.asked_for
    page.says({"type": "checkpoint"})
    page.until(lambda: page.asked_for == before + 2, "the server has heard of both")
    resting = newest(page, -2)  # since the first run began, and with it its twin
    page.until(lambda: page.update == resting, "it is drawn")
    return resting


def test_the_state_lane_shows_the_hidden_units_in_diverging_colours(rested: Visit) -> None:
    newest = rested.updates()[-1]
    hidden = np.frombuffer(base64.b64decode(newest["hidden"][0]), np.int8).reshape(newest["length"], -1)
    shown = colours(rested, "state", [middle(newest, step) for step in range(newest["length"])])
    low, mid, high = (245, 147, 34), (232, 234, 235), (8, 119, 189)
    for step, (red, green, blue, alpha) in enumerate(shown):
        part = hidden[step, 0] / 127
        end = high if part > 0 else low
        wanted = [m + (e - m) * abs(part) for m, e in zip(mid, end, strict=True)]
        assert alpha == 255
        assert [red, green, blue] == pytest.approx(wanted, abs=2), f"time step {step}"


def test_the_gradient_lane_has_a_wall_at_every_seam_and_the_state_lane_only_where_state_is_reset(page: Visit) -> None:
    page.draws(12)
    page.pauses()
    chunks = page.updates()[-4:]
    seams = [chunk["t"][0][0] / math.pi for chunk in chunks]
    ink = [29, 31, 35, 255]
    assert all(max(abs(np.subtract(pixel, ink))) < 60 for pixel in colours(page, "gradient", seams))
    assert not any(max(abs(np.subtract(pixel, ink))) < 60 for pixel in colours(page, "state", seams))
    expect(page.page.locator("#lane-state-says")).to_contain_text("runs on through the seam")

    page.page.locator("[data-field=carry_state] input").uncheck()
    page.at("play").click()
    changed = page.update
    page.draws(changed + 6)
    page.pauses()
    expect(page.page.locator("#lane-state-says")).to_contain_text("starts from zero")
    seams = [chunk["t"][0][0] / math.pi for chunk in page.updates()[-3:]]
    # the wall stands a pixel to the right of the seam, so that nothing of it is cut off
    pixels = colours(page, "state", [seam + 0.04 for seam in seams])
    assert all(max(abs(np.subtract(pixel, ink))) < 60 for pixel in pixels)


def test_seams_and_lengths_are_drawn_under_the_running_wave_and_by_plotly_at_rest(page: Visit) -> None:
    inked = """() => {
      const canvas = document.querySelector('.wave-marks');
      const copy = document.createElement('canvas');
      [copy.width, copy.height] = [canvas.width, canvas.height];
      const pen = copy.getContext('2d', {willReadFrequently: true});
      pen.drawImage(canvas, 0, 0);
      return pen.getImageData(0, 0, copy.width, copy.height).data.some((part) => part > 0);
    }"""
    page.until(lambda: page.page.evaluate(inked), "the marks are drawn")
    assert page.trace("seams")["x"] == []
    page.pauses()
    page.until(lambda: len(page.trace("seams")["x"]) > 3, "the seams are traces")
    newest = page.updates()[-1]
    texts = page.page.evaluate("document.getElementById('wave').data.find(({uid}) => uid === 'lengths').text")
    assert texts[-1] == str(newest["length"])
    assert not page.page.evaluate(inked)


def test_a_picture_saved_while_the_wave_runs_has_its_seams_lengths_and_numbers(page: Visit) -> None:
    page.page.locator("#wave").hover()
    button = page.page.locator("#wave .modebar-btn").last
    page.page.evaluate("""() => {
      window.saved = [];
      const look = (event) => {
        if (!event.isTrusted) return; // the download's own click
        const wave = document.getElementById('wave');
        saved.push(...wave.data.map(({uid}) => uid), wave.layout.xaxis.showticklabels);
      };
      document.querySelector('#wave .modebar').addEventListener('click', look, true);
    }""")
    button.hover()
    page.page.mouse.down()
    page.until(lambda: page.trace("seams")["x"] != [], "what is pressed is drawn whole")
    with page.page.expect_download():
        page.page.mouse.up()
    saved = page.page.evaluate("saved")
    assert {"seams", "lengths", "target", "prediction"} <= set(saved)
    assert saved[-1] is True


def test_hovering_a_lane_tells_its_value(rested: Visit) -> None:
    newest = rested.updates()[-1]
    canvas = rested.at("lane-gradient")
    box = canvas.bounding_box()
    assert box is not None
    low, high = rested.page.evaluate("document.getElementById('wave').layout.xaxis.range")
    step = newest["length"] // 2
    x = 36 + (middle(newest, step) - low) / (high - low) * (box["width"] - 36 - 16)
    canvas.hover(position={"x": x, "y": 20})
    expect(rested.at("lane-tip")).to_contain_text(f"time step {step + 1} of {newest['length']}")
    shown = float(rested.at("lane-tip").inner_text().split("·")[-1])
    assert shown == pytest.approx(newest["gradient"][0][step], rel=6e-3)
    rested.at("lane-state").hover(position={"x": x, "y": 20})
    expect(rested.at("lane-tip")).to_contain_text("unit")


def test_the_lanes_follow_the_waves_pan_and_zoom(rested: Visit) -> None:
    seen = rested.page.evaluate("document.getElementById('wave').layout.xaxis.range")
    before = rested.page.evaluate("document.querySelector('#lane-state canvas').toDataURL()")
    rested.page.evaluate("Plotly.relayout('wave', {'xaxis.range[0]': 1, 'xaxis.range[1]': 5})")
    rested.until(
        lambda: rested.page.evaluate("document.querySelector('#lane-state canvas').toDataURL()") != before,
        "another view",
    )
    update = next(one for one in rested.updates() if one["t"][0][-1] / math.pi > 3)
    shown = colours(rested, "gradient", [middle(update, 1), middle(update, update["length"] - 2)])
    assert all(pixel[3] == 255 for pixel in shown)
    rested.page.evaluate("range => Plotly.relayout('wave', {'xaxis.range': range})", seen)


def test_what_is_out_of_sight_asks_for_no_data(page: Visit) -> None:
    page.draws(1)

    def views() -> list[str] | None:
        return next((message["views"] for message in reversed(page.sent) if "views" in message), None)

    for top, wanted in (("document.body.scrollHeight", []), ("0", ["gradient", "graph", "hidden"])):
        page.page.evaluate(f"scrollTo({{top: {top}, behavior: 'instant'}})")
        page.until(lambda wanted=wanted: views() == wanted, f"{wanted} is asked for")  # type: ignore[misc]
    page.page.evaluate("document.getElementById('lane-gradient').hidden = true")
    page.until(lambda: views() == ["graph", "hidden"], "a hidden lane needs no gradient")
    page.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.until(lambda: views() == [], "nothing of it is in sight")
    page.until(lambda: not {"hidden", "gradient", "nodes"} & set(page.updates()[-1]), "and nothing is sent")
    page.page.evaluate("document.getElementById('lane-gradient').hidden = false")


# ---------------------------------------------------------------- floors


def test_the_floors_are_dashed_lines_with_labels_on_the_loss_chart(rested: Visit) -> None:
    rested.until(lambda: len(rested.trace("mean", "loss-chart")["y"]) > 2, "the loss is drawn")
    lines, labels = rested.page.evaluate(
        "(({shapes, annotations}) => [shapes.map(s => [s.y0, s.y1, s.line.dash]), annotations.map(a => a.text)])"
        "(document.getElementById('loss-chart').layout)"
    )
    floors = rested.opened()[0]["floors"]
    assert [line[:2] for line in lines] == [[floors[name]] * 2 for name in ("memoryless", "no_carry")]
    assert all(line[2] != "solid" for line in lines)
    assert "0.531" in labels[0]
    assert "0.0611" in labels[1]


def test_the_page_says_when_the_run_has_got_under_a_floor(page: Visit) -> None:
    says = page.at("loss-floors")
    page.page.evaluate("location.hash = '#seed=1&pace=0.2'")  # which is not under one within a minute
    expect(says).to_contain_text("above both floors")
    page.at("pace").fill("100")
    expect(says).to_contain_text("Below both floors")
    told = int(says.inner_text().split("update ")[1].split(":")[0])
    learner = Learner(Recipe())
    losses = [learner.advance().loss for _ in range(told)]
    assert np.mean(losses[-50:]) < 0.0611
    assert np.mean(losses[-60:-10]) > 0.0611


def test_where_a_run_got_under_a_floor_does_not_depend_on_how_many_updates_came_at_once() -> None:
    script = """
        const losses = [...Array(60).fill(1), ...Array(60).fill(0.02), ...Array(60).fill(1)];
        const updates = losses.map((loss, i) => ({...chunk(i + 1), loss}));
        const recipe = {seed: 1, learning_rate: 0.02, carry_state: true};
        const floors = {memoryless: 0.53, no_carry: 0.06};
        const begun = state.apply(state.initialState(), {...opened, recipe, floors});
        const reached = [1, 7, 120, 180].map((many) => {
          let now = begun;
          for (let i = 0; i < updates.length; i += many) {
            now = state.apply(now, {type: 'updates', updates: updates.slice(i, i + many)});
          }
          return JSON.stringify([now.reached, now.carriedFor]);
        });
        return [...new Set(reached)].map(JSON.parse);
    """
    reached = {"memoryless": {"since": 84, "under": False}, "no_carry": {"since": 108, "under": False}}
    assert folded(script) == [[reached, 179]]


def test_without_a_known_floor_none_is_drawn(page: Visit) -> None:
    page.draws(1)
    page.choose("longest", 2)
    page.choose("shortest", 2)
    page.until(lambda: page.opened()[-1]["recipe"]["shortest"] == 2, "chunks that all begin alike")
    expect(page.at("loss-floors")).to_contain_text("no floor is known")
    assert page.page.evaluate("document.getElementById('loss-chart').layout.shapes.length") == 0


# ---------------------------------------------------------------- microscope, circle, odometer


def test_the_microscope_shows_the_error_by_time_step() -> None:
    result = folded(
        """
        const { errorBySteps } = await import('/static/charts/microscope.js');
        const made = (target, prediction) => ({target, prediction});
        return [errorBySteps([made([[1, 0]], [[0, 0]]), made([[1, 1, 1], [0, 0, 0]], [[1, 0, 0], [0, 0, 2]])]),
          errorBySteps([...Array(10).fill(made([[9]], [[0]])), ...Array(50).fill(made([[1]], [[0]]))])];
        """,
    )
    assert result == [[1 / 3, 1 / 3, 2.5], [1]]


def test_without_carried_state_the_first_sample_after_the_seam_stands_out(page: Visit) -> None:
    page.draws(1)
    page.page.locator("[data-preset=no_memory]").click()
    page.at("pace").fill("100")
    page.draws(400)

    def stands_out() -> bool:
        y = page.trace("error", "microscope-chart")["y"]
        return len(y) == 30 and y[0] > 10 * max(y[3:9])

    page.until(stands_out, "the first sample's error is ten times those after it")
    assert page.trace("first", "microscope-chart")["x"] == [1]


def test_the_circle_fades_recent_chunks(rested: Visit) -> None:
    rested.until(lambda: len(rested.trace("recent-0", "circle-chart")["x"]) > 0, "older chunks are drawn")
    opacities = rested.page.evaluate(
        "document.getElementById('circle-chart').data.filter(t => t.uid !== 'unit').map(t => t.opacity ?? 1)"
    )
    assert opacities == sorted(opacities)
    assert opacities[0] < 0.2 < opacities[-1] == 1


def test_the_odometer_jumps_with_the_length(rested: Visit) -> None:
    seen: dict[int, int] = {}
    while len(seen) < 3:
        update = rested.update
        rested.at("step").click()
        rested.draws(update + 1)
        newest = rested.updates()[-1]
        seen[newest["length"]] = newest["nodes"]
    assert seen[10] < seen[20] < seen[30]
    assert seen[30] - seen[20] == seen[20] - seen[10], "the same for each time step"
    expect(rested.page.locator("#odometer-says")).to_contain_text("this chunk's own graph, nn.RNN of 32 units")


def milliseconds(value: float) -> str:
    return f"{value:.{3 if value < 0.1 else 2}f} ms"


def test_the_odometer_shows_nodes_samples_and_milliseconds_of_the_newest_chunk(rested: Visit) -> None:
    def shows_the_newest() -> bool:
        newest = rested.updates()[-1]
        times = [milliseconds(newest["milliseconds"][part]) for part in ("forward", "backward", "optimizer")]
        return (
            rested.at("odometer-nodes").inner_text() == str(newest["nodes"])
            and rested.at("odometer-samples").inner_text() == str(newest["length"])
            and all(time in rested.at("odometer-times").inner_text() for time in times)
        )

    rested.until(shows_the_newest, "nodes, samples and milliseconds of the newest update")


def test_the_odometer_of_a_compiled_run_has_no_nodes_but_those_of_pytorch_beside_it(page: Visit) -> None:
    page.draws(3)
    expect(page.at("odometer-says")).to_contain_text("builds no graph: the bars are the chunks' samples")
    expect(page.at("odometer-nodes")).to_be_hidden()
    expect(page.at("odometer-bars")).to_have_attribute("aria-label", "Samples of the newest 40 chunks")
    ear = Ear(page)
    page.at("engine-beside").click()
    page.until(lambda: len(ear.losses()) > 5, "PyTorch runs beside it")
    page.until(lambda: "nodes" in ear.updates()[-1], "its nodes are asked for")
    resting = both_rest(page)
    page.until(lambda: resting in ear.losses(), "PyTorch rests there too")
    expect(page.at("odometer-nodes")).to_have_text(str(ear.updates()[-1]["nodes"]))
    expect(page.at("odometer-samples")).to_have_text(str(ear.updates()[-1]["length"]))
    expect(page.page.locator("#odometer-label")).to_have_text("autograd nodes in PyTorch")
    expect(page.at("odometer-says")).to_contain_text("The nodes are PyTorch's")


# ---------------------------------------------------------------- twin runs


def recipes(page: Visit) -> list[dict[str, Any]]:
    return [message["recipe"] for message in page.opened()]


def test_a_twin_runs_with_one_switch_changed_on_the_same_chunks(page: Visit) -> None:
    page.at("twin").select_option("reset")
    page.until(lambda: len(recipes(page)) == 3, "the run begins anew, and its twin with it")
    first, other = recipes(page)[1:]
    assert {name for name in first if first[name] != other[name]} == {"carry_state"}
    expect(page.page.locator("#wave-panel .key.twin")).to_contain_text("state reset at seams")
    for chart in ("wave", "loss-chart", "microscope-chart"):
        page.until(lambda chart=chart: len(page.trace("twin", chart)["y"]) > 3, f"it is drawn in {chart}")
    lengths: dict[int, set[int]] = {}
    begun = next(i for i, message in enumerate(page.received) if message["type"] == "opened" and i > 0)
    for message in page.received[begun:]:
        for update in message.get("updates", []):
            lengths.setdefault(update["update"], set()).add(update["length"])
    assert all(len(each) == 1 for each in lengths.values())


def test_the_twin_goes_pauses_and_steps_with_the_first_run(page: Visit) -> None:
    page.at("twin").select_option("gru")
    page.until(lambda: len(recipes(page)) == 3, "both are open")
    page.until(lambda: len(page.trace("twin")["y"]) > 30, "the twin is drawn")
    page.at("play").click()
    expect(page.at("status")).to_have_text("paused")
    page.at("step").click()
    page.until(lambda: any(message["type"] == "step" for message in page.sent), "the first run steps")
    page.until(lambda: len([m for m in page.sent if m["type"] == "pause"]) == 2, "both pause")

    def beside() -> bool:
        ends = [[x for x in page.trace(name)["x"] if x is not None] for name in ("fresh-prediction", "twin")]
        return all(ends) and len({round(max(each), 6) for each in ends}) == 1

    page.until(beside, "both rest at the same chunk")


def test_a_live_change_reaches_the_twin_after_the_same_update_but_not_its_own_switch(page: Visit) -> None:
    ear = Ear(page)

    def told() -> list[dict[str, Any]]:
        return [message for message in page.received if message["type"] == "changed"]

    page.at("twin").select_option("slower")
    page.until(lambda: len(recipes(page)) == 3, "both are open")
    page.until(lambda: len(page.trace("twin")["y"]) > 60, "the twin is drawn")
    page.choose("learning_rate", 0.01)
    page.until(lambda: bool(told()), "the first run changes")
    page.page.locator("[data-field=carry_state] input").uncheck()
    page.until(lambda: bool(ear.changes()), "the twin changes")
    first = next(message for message in told() if "carry_state" in message)
    assert ear.changes() == [{"type": "changed", "after_update": first["after_update"], "carry_state": False}]
    page.draws(first["after_update"] + 20)
    page.pauses()
    rate = recipes(page)[2]["learning_rate"]
    alone = Learner(Recipe(learning_rate=rate), changes=[Change(after_update=first["after_update"], carry_state=False)])
    wanted = {update: alone.advance().loss for update in range(1, first["after_update"] + 20)}
    page.until(lambda: max(wanted) in ear.losses(), "the twin is there too")
    assert {at: np.float32(loss) for at, loss in ear.losses().items() if at in wanted} == {
        at: np.float32(loss) for at, loss in wanted.items()
    }


def test_where_the_twin_is_further_than_a_change_it_begins_anew_with_it(page: Visit) -> None:
    ear = Ear(page)
    page.at("twin").select_option("gru")
    page.until(lambda: len(recipes(page)) == 3, "both are open")
    page.until(lambda: len(ear.losses()) > 2, "both have begun")
    resting = both_rest(page)
    page.until(lambda: resting in ear.losses(), "the twin rests there too")
    ahead = resting + 1
    for message in ({"type": "seen", "update": resting}, {"type": "step"}):  # behind the page's back
        page.page.evaluate("text => wires.at(-1).send(text)", json.dumps(message))
    page.until(lambda: ahead in ear.losses(), "the twin is one update ahead")
    page.choose("learning_rate", 0.01)
    page.until(lambda: len(recipes(page)) == 4, "it begins anew")
    assert recipes(page)[3]["cell"] == "gru"
    assert page.opened()[3]["changes"] == [{"after_update": ahead - 1, "learning_rate": 0.01}]
    page.until(lambda: max(ear.losses(), default=0) == ahead - 1, "and comes as far as the first run")


def test_a_twin_whose_learning_rate_would_be_the_same_is_not_offered(page: Visit) -> None:
    def offered() -> list[str]:
        return page.page.eval_on_selector_all("#twin option", "options => options.map(({value}) => value)")

    assert {"faster", "slower"} <= set(offered())
    page.choose("learning_rate", 1)
    page.at("reset").click()
    page.until(lambda: "faster" not in offered(), "there is nothing above 1")
    assert "slower" in offered()


def test_without_a_twin_its_socket_closes(page: Visit, server: Any) -> None:
    page.at("twin").select_option("uniform")
    page.until(lambda: len(page.trace("twin")["y"]) > 3, "the twin is drawn")
    page.until(lambda: server.metric("unrolled_viewers") == 2, "whoever was here before has left", SECONDS)
    page.at("twin").select_option("")
    page.until(lambda: server.metric("unrolled_viewers") == 1, "it has left", SECONDS)
    expect(page.page.locator("#wave-panel .key.twin")).to_be_hidden()
    page.until(lambda: not page.trace("twin")["y"], "its curve is gone")


def test_the_twin_of_another_length_is_drawn_at_the_first_runs_place(page: Visit) -> None:
    page.at("twin").select_option("fixed")
    page.until(lambda: len(recipes(page)) == 3, "both are open")
    assert (recipes(page)[2]["shortest"], recipes(page)[2]["longest"]) == (2, 2)
    page.at("pace").fill("100")
    page.draws(300)

    def beside() -> bool:
        ends = [max((x for x in page.trace(name)["x"] if x is not None), default=99) for name in ("prediction", "twin")]
        return abs(ends[0] - ends[1]) < 8

    page.until(beside, "the twin stays beside the first run")
