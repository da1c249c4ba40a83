"""What is happening, on the page: one update in slow motion, and the loop without its detach."""

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, expect

from model.learner import Diverged, Learner
from model.recipe import Recipe
from tests.support.stages import STAGES, WORDS, slowed, stage, views, walks
from tests.support.visits import PHONE, Visit

ACTS = ["detached", "only_forward", "second_backward", "retain_graph", "without_step"]


def sent(page: Visit, kind: str) -> list[dict[str, Any]]:
    return [message for message in page.sent if message["type"] == kind]


def opacity(page: Visit, selector: str) -> float:
    return float(page.page.locator(selector).first.evaluate("element => getComputedStyle(element).opacity"))


def act(page: Visit, name: str) -> Locator:
    return page.page.locator(f"#detach-cards [data-act={name}]")


def switch_off(page: Visit) -> Visit:
    page.page.locator("#detach").scroll_into_view_if_needed()
    page.at("detach-switch").check()
    page.at("detach-switch").click()
    return page


@pytest.fixture
def page(page: Visit) -> Visit:
    """The page with PyTorch's run, whose lines and numbers these are."""
    page.opens("framework=torch")
    return page


@pytest.fixture
def still(page: Visit) -> Visit:
    """The page of somebody who wants nothing to move by itself."""
    page.page.emulate_media(reduced_motion="reduce")
    return page


# ---------------------------------------------------------------- slow motion


def test_s_makes_one_update_and_the_arrows_walk_through_its_six_stages(still: Visit) -> None:
    page = still
    page.draws(3)
    resting = page.pauses()
    slowed(page)
    walked, says, lit = [], [], {}
    for _ in STAGES:
        name = str(stage(page))
        walked.append(name)
        says.append(page.at("slow-says").inner_text())
        expect(page.at("slow-stages").locator("[aria-current=step]")).to_have_attribute("data-stage", name)
        lit[name] = [opacity(page, part) for part in (".wave > .stage", "#lane-state", "#lane-gradient", "#predict")]
        page.page.keyboard.press("ArrowRight")
    assert walked == STAGES
    assert len(set(says)) == len(STAGES)
    assert lit["forward"] == [1, 1, 0.25, 0.25]
    assert lit["loss"] == [1, 0.25, 0.25, 0.25]
    assert lit["backward"] == [0.25, 0.25, 1, 0.25]
    assert lit["detach"] == [0.25, 1, 1, 0.25]
    assert opacity(page, "#transport") == 1
    assert (stage(page), page.update, len(sent(page, "step"))) == ("detach", resting + 1, 1)
    assert "graph" in views(page)
    told = page.updates()[-1]
    code = page.at("slow-code").inner_text()
    for line in (
        f"np.random.randint(1, 4)  # {told['length'] // 10}",
        f"x.shape (1, {told['length']}, 1)",
        f"prediction.shape (1, {told['length']}, 1)",
        "h_state.shape (1, 1, 32)",
        f"loss.backward()  # {told['nodes']} nodes, ",
        "optimizer.step()  # lr 0.02, ",
        "h_state = h_state.detach()",
    ):
        assert line in code
    assert str(told["length"]) in says[0]
    assert str(told["nodes"]) in says[3]
    page.page.keyboard.press("Escape")
    assert stage(page) is None
    expect(page.at("status")).to_have_text("paused")
    page.page.keyboard.press("ArrowRight")
    page.draws(resting + 2)


def test_it_goes_on_by_itself_and_leaves_as_it_came(page: Visit) -> None:
    page.draws(3)
    expect(page.at("slow-start")).to_be_enabled()
    page.at("slow-start").click()
    expect(page.at("status")).to_have_text("paused")
    expect(page.at("slow-hold")).to_be_focused()
    page.until(lambda: stage(page) == "forward", "the second stage, by itself")
    page.at("slow-hold").click()
    expect(page.at("slow-hold")).to_have_text("Go on")
    held, resting = stage(page), page.update
    page.page.keyboard.press("s")
    page.until(lambda: page.update == resting + 1 and stage(page) == "length", "the next chunk, from its first stage")
    assert held in STAGES
    page.page.keyboard.press("Escape")
    expect(page.at("status")).to_have_text("live")
    expect(page.at("slow-start")).to_be_focused()
    page.draws(resting + 4)
    page.page.locator("#recipe-seed").focus()
    page.page.keyboard.press("s")
    page.draws(resting + 8)
    assert len(sent(page, "step")) == 2, "a letter that is typed is a letter"


AS_TENSORFLOW = """() => {
  const wire = wires.at(-1);
  const hears = wire.onmessage;
  wire.onmessage = ({data}) => {
    const isOpened = typeof data === 'string' && JSON.parse(data).type === 'opened';
    hears({data: isOpened ? data.replace('"framework":"compiled"', '"framework":"tensorflow"') : data});
  };
  window.asEver = () => {
    wire.onmessage = hears;
  };
}"""
"""From now on the page takes every run that begins for TensorFlow's."""


def test_a_tensorflow_run_is_told_why_there_is_no_slow_motion(page: Visit) -> None:
    page.page.evaluate(AS_TENSORFLOW)
    page.opens("seed=2")
    page.draws(3)
    page.page.locator("#detach").scroll_into_view_if_needed()
    expect(page.at("slow-says")).to_contain_text("this run is TensorFlow's")
    expect(page.at("slow-start")).to_be_disabled()
    expect(page.at("detach-switch")).to_be_disabled()
    expect(page.at("detach-says")).to_contain_text("there is nothing to detach")
    page.page.keyboard.press("s")
    page.draws(page.update + 2)
    assert sent(page, "step") == []
    page.page.evaluate("asEver()")


def test_a_panel_that_a_link_leaves_out_has_no_key_either(page: Visit) -> None:
    page.opens("hide=happening")
    page.draws(2)
    page.until(lambda: page.page.locator("#slow-stages li").count() == len(STAGES), "slow motion is there")
    expect(page.page.locator("#happening")).to_be_hidden()
    page.page.keyboard.press("s")
    page.draws(page.update + 3)
    assert sent(page, "step") == []


def test_where_its_update_diverges_slow_motion_leaves_and_the_page_says_what_to_do(
    still: Visit,
) -> None:
    page = still
    learner = Learner(Recipe(framework="torch", optimizer="sgd", learning_rate=1.0))
    with pytest.raises(Diverged) as diverged:
        while learner.update < 100:
            learner.advance()
    last = diverged.value.update - 1
    page.opens(f"framework=torch&optimizer=sgd&learning_rate=1&stop_after={last}&pace=max")
    expect(page.at("status")).to_have_text("finished")
    expect(page.at("slow-start")).to_be_enabled()
    page.page.keyboard.press("s")
    expect(page.at("status")).to_have_text("diverged")
    expect(page.at("slow")).not_to_have_class(re.compile("raised"))
    expect(page.at("slow-start")).to_be_visible()
    assert stage(page) is None
    assert [message["update"] for message in page.received if message["type"] == "diverged"] == [last + 1]
    before = len(page.opened())
    page.at("notice").get_by_role("button").click()
    page.until(lambda: len(page.opened()) > before, "it goes back to where it was good")


SWALLOWS = """() => {
  const Plain = WebSocket;
  const wire = wires.at(-1);
  window.swallowed = 0;
  wire.send = (data) => {
    if (JSON.parse(data).type !== 'step') return Plain.prototype.send.call(wire, data);
    swallowed += 1;
    delete wire.send;
    window.WebSocket = class {
      static OPEN = Plain.OPEN;
      constructor() {
        window.WebSocket = Plain;
        setTimeout(() => this.onclose({code: 1013, reason: 'the hall is full'}));
      }
    };
    setTimeout(() => wire.onclose({code: 1012, reason: ''}));
    wire.close();
  };
}"""
"""Has the connection lost with the next step that is sent, and the hall full when the page tries another."""


@pytest.mark.parametrize("played", [True, False], ids=["playing", "paused"])
def test_an_update_that_a_lost_connection_swallowed_is_made_once_the_connection_is_back(
    still: Visit, played: bool
) -> None:
    page = still
    page.draws(3)
    if not played:
        page.pauses()
    expect(page.at("slow-start")).to_be_enabled()
    page.page.evaluate(SWALLOWS)
    page.page.keyboard.press("s")
    expect(page.at("status")).to_have_text("hall is full")
    expect(page.at("slow-says")).to_have_text(WORDS["en"]["slow.lost"])
    assert stage(page) is None
    assert opacity(page, ".wave > .stage") == 1, "what the page says of the connection is to be read"
    resting = page.update
    page.at("notice").get_by_role("button").click()
    page.until(lambda: stage(page) is not None, "the first stage")
    walks(page, "detach")
    assert (page.update, page.page.evaluate("swallowed"), len(sent(page, "step"))) == (resting + 1, 1, 1)
    page.page.keyboard.press("Escape")
    expect(page.at("status")).to_have_text("live" if played else "paused")


def test_it_asks_only_for_what_the_page_shows_and_its_stages_find_what_is_left(still: Visit) -> None:
    page = still
    page.opens("framework=torch&hide=state,gradient")
    page.draws(3)
    page.pauses()
    slowed(page)
    assert views(page) == {"graph"}
    assert not {"hidden", "gradient"} & set(page.updates()[-1])
    walks(page, "forward")
    assert opacity(page, ".wave > .stage") == 1
    walks(page, "backward")
    expect(page.page.locator("#odometer")).to_be_in_viewport()
    assert opacity(page, "#odometer") == 1
    assert f"through {page.updates()[-1]['nodes']} nodes" in page.at("slow-says").inner_text()
    walks(page, "detach")
    expect(page.page.locator("#detach-title")).to_be_in_viewport()
    assert opacity(page, "#detach") == 1


def test_where_a_link_leaves_nothing_of_a_stage_nothing_steps_back(still: Visit) -> None:
    page = still
    page.opens("framework=torch&hide=wave,odometer")
    page.draws(3)
    page.pauses()
    slowed(page)
    walks(page, "loss")
    assert (opacity(page, "#loss-panel"), opacity(page, "#circle")) == (1, 0.25)
    walks(page, "backward")
    assert stage(page) is None
    assert [opacity(page, part) for part in ("#loss-panel", "#circle", ".masthead")] == [1, 1, 1]
    walks(page, "optimizer")
    assert (opacity(page, "[data-field=learning_rate]"), opacity(page, "#circle")) == (1, 0.25)


def test_a_key_that_is_held_makes_one_update_and_walks_through_its_stages(still: Visit) -> None:
    page = still
    page.draws(3)
    resting = page.pauses()
    expect(page.at("slow-start")).to_be_enabled()
    for _ in range(5):
        page.page.keyboard.down("s")
    page.until(lambda: stage(page) is not None, "a stage")
    for _ in range(5):
        page.page.keyboard.down("s")
    page.page.keyboard.up("s")
    for _ in range(7):
        page.page.keyboard.down("ArrowRight")
    page.page.keyboard.up("ArrowRight")
    assert (stage(page), len(sent(page, "step"))) == ("detach", 1)
    page.at("slow-hold").evaluate(
        "button => button.addEventListener('click', () => (window.clicks = (window.clicks ?? 0) + 1))"
    )
    for key in (" ", "Enter"):
        made = len(sent(page, "step"))
        page.at("slow-hold").focus()
        if key == " ":
            page.at("slow-hold").evaluate("button => button.blur()")
        for _ in range(4):
            page.page.keyboard.down(key)
        page.until(lambda: stage(page) == "length", "the next chunk")
        for _ in range(3):
            page.page.keyboard.down(key)
        page.page.keyboard.up(key)
        expect(page.at("slow-hold")).to_have_text("Hold")
        walks(page, "detach")
        assert len(sent(page, "step")) == made + 1
    assert page.page.evaluate("clicks") == 1, "by Enter; space is no click where the button has no focus"
    page.draws(resting + 3)
    assert page.update == resting + 3


# ---------------------------------------------------------------- what was not recorded


# ---------------------------------------------------------------- the next step is important


def test_without_the_detach_the_graph_grows_and_pytorch_says_why_not(still: Visit, server_url: str) -> None:
    page = still
    page.draws(2)
    switch_off(page)
    recipe = page.opened()[-1]["recipe"]
    told = httpx.post(server_url + "/lessons/detach", json={"recipe": recipe}, timeout=30).json()["acts"]
    expect(page.at("detach-says")).to_contain_text("its numbers go on, its history does not")
    for found in told:
        bars = act(page, found["name"]).locator(".detach-bars b")
        nodes = [f"{chunk['nodes']}{' ×' if chunk['error'] else ''}" for chunk in found["chunks"]]
        expect(bars).to_have_text(nodes)
        error = found["chunks"][-1]["error"]
        if error:
            expect(act(page, found["name"]).locator("pre")).to_have_text(error)
        else:
            expect(act(page, found["name"]).locator("pre")).to_be_hidden()
    assert [bool(found["chunks"][-1]["error"]) for found in told] == [False, False, True, True, False]
    struck = page.at("detach-code").locator("del")
    expect(struck).to_have_text(["h_state = h_state.detach()"])
    act(page, "without_step").get_by_role("button").press("Enter")
    expect(struck).to_have_text(["h_state = h_state.detach()", "optimizer.step()"])
    expect(page.at("detach-code").locator("ins")).to_have_text("retain_graph=True")
    page.page.locator("[data-language=zh]").click()
    expect(page.at("detach-says")).to_contain_text("来历不传")
    assert not re.search(
        r"(detach|slow)\.(act|says|stage)\b|\{\w+\}|undefined|NaN", page.page.locator("#happening").inner_text()
    )
    page.at("detach-switch").press("Space")
    expect(struck).to_have_count(0)
    expect(act(page, "second_backward").locator("pre")).to_be_hidden()


def test_the_acts_play_chunk_by_chunk_and_again(page: Visit) -> None:
    switch_off(page)
    bars = act(page, "only_forward").locator(".detach-bars b")
    expect(bars).to_have_count(2)
    expect(act(page, "second_backward").get_by_role("button")).to_be_disabled()
    expect(page.at("detach-code").locator("del")).to_have_count(4)
    page.at("detach-replay").click()
    expect(bars).to_have_count(0)
    expect(bars).to_have_count(3)


def test_what_the_server_refuses_is_said_and_the_switch_goes_back(page: Visit) -> None:
    page.opens("seed=8")  # nobody has seen the loop of which without its detach
    refusal = {"code": "busy", "field": "", "detail": "8 experiments wait already"}
    page.page.route("**/lessons/detach", lambda route: route.fulfill(json=refusal, status=503))
    switch_off(page)
    expect(page.at("detach-says")).to_have_text("8 experiments wait already")
    expect(page.at("detach-switch")).to_be_checked()
    page.troubles.clear()  # the browser's own line about the 503


# ---------------------------------------------------------------- for everyone


def test_on_a_phone_the_stage_stands_above_the_transport(still: Visit) -> None:
    page = still
    page.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.draws(2)
    slowed(page)
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("ArrowRight")
    panel, transport = page.at("slow").bounding_box(), page.page.locator("#transport").bounding_box()
    lit = page.page.locator(".wave > .stage").bounding_box()
    assert panel
    assert transport
    assert lit
    assert abs(panel["y"] + panel["height"] - transport["y"]) <= 1
    assert 0 <= lit["y"] < lit["y"] + lit["height"] <= panel["y"], "what is lit is in sight"
    expect(page.at("slow-says")).to_be_in_viewport()
    small = "all => all.filter(e => e.offsetWidth && (e.offsetHeight < 44 || e.offsetWidth < 44)).map(e => e.outerHTML)"
    assert page.page.locator("#happening button:not(.detach-cards button)").evaluate_all(small) == []
    for language in ("en", "zh"):
        page.page.locator(f"[data-language={language}]").click()
        expect(page.page.locator("html")).to_have_attribute("lang", "zh-CN" if language == "zh" else "en")
        for number, name in enumerate(STAGES):
            page.at("slow-stages").get_by_role("button").nth(number).click()
            current = page.at("slow-stages").locator("[aria-current=step] span")
            expect(current).to_have_text(WORDS[language][f"slow.stage.{name}"])
            told, below = current.bounding_box(), page.at("slow-says").bounding_box()
            assert told
            assert below
            assert told["height"] >= 18
            assert 12 <= told["x"] < told["x"] + told["width"] <= PHONE["width"] - 12
            assert told["y"] + told["height"] <= below["y"] + 1
    assert page.page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
