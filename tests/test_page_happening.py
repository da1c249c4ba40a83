"""What is happening, on the page: one update in slow motion, and the loop without its detach."""

import json
import re
from typing import Any

import httpx
from playwright.sync_api import Browser, Locator, WebSocketRoute, expect

from tests.test_page import DESK, PHONE, Visit, Visits, browser, visit  # noqa: F401

STAGES = ["length", "forward", "loss", "backward", "optimizer", "detach"]
ACTS = ["detached", "only_forward", "second_backward", "retain_graph", "without_step"]


def stage(page: Visit) -> str | None:
    return page.page.locator("body").get_attribute("data-stage")


def slowed(page: Visit) -> Visit:
    """Press S once the panel listens, and hold at the first stage."""
    expect(page.at("slow-start")).to_be_enabled()
    page.page.keyboard.press("s")
    page.until(lambda: stage(page) is not None, "a stage")
    page.page.keyboard.press("ArrowLeft")
    while stage(page) != "length":
        page.page.keyboard.press("ArrowLeft")
    return page


def sent(page: Visit, kind: str) -> list[dict[str, Any]]:
    return [message for message in page.sent if message["type"] == kind]


def opacity(page: Visit, selector: str) -> float:
    return float(page.page.locator(selector).first.evaluate("element => getComputedStyle(element).opacity"))


def act(page: Visit, name: str) -> Locator:
    return page.page.locator(f"#detach-cards [data-act={name}]")


def switch_off(page: Visit) -> Visit:
    page.page.locator("#detach").scroll_into_view_if_needed()
    page.at("detach-switch").click()
    return page


# ---------------------------------------------------------------- slow motion


def test_s_makes_one_update_and_the_arrows_walk_through_its_six_stages(visit: Visits) -> None:  # noqa: F811
    page = visit(charts=False, reduced_motion="reduce")
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
    assert "graph" in sent(page, "views")[-1]["views"]
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


def test_it_goes_on_by_itself_and_leaves_as_it_came(visit: Visits) -> None:  # noqa: F811
    page = visit(charts=False)
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


def test_a_tensorflow_run_is_told_why_there_is_no_slow_motion(browser: Browser, server_url: str) -> None:  # noqa: F811
    def as_tensorflow(route: WebSocketRoute) -> None:
        def heard(message: str | bytes) -> None:
            if isinstance(message, str) and (told := json.loads(message))["type"] == "opened":
                told["recipe"]["framework"] = "tensorflow"
                message = json.dumps(told)
            route.send(message)

        route.connect_to_server().on_message(heard)

    context = browser.new_context(viewport=DESK, locale="en-US")
    context.route_web_socket("**/ws/train", as_tensorflow)
    page = Visit(context, server_url + "/", charts=False)
    page.draws(3)
    page.page.locator("#detach").scroll_into_view_if_needed()
    expect(page.at("slow-says")).to_contain_text("this run is TensorFlow's")
    expect(page.at("slow-start")).to_be_disabled()
    expect(page.at("detach-switch")).to_be_disabled()
    expect(page.at("detach-says")).to_contain_text("there is nothing to detach")
    page.page.keyboard.press("s")
    page.draws(page.update + 2)
    assert sent(page, "step") == []
    assert page.troubles == []
    context.close()


def test_a_panel_that_a_link_leaves_out_has_no_key_either(visit: Visits, server_url: str) -> None:  # noqa: F811
    page = visit(server_url + "/#hide=happening", charts=False)
    page.draws(2)
    page.until(lambda: page.page.locator("#slow-stages li").count() == len(STAGES), "slow motion is there")
    expect(page.page.locator("#happening")).to_be_hidden()
    page.page.keyboard.press("s")
    page.draws(page.update + 3)
    assert sent(page, "step") == []


# ---------------------------------------------------------------- the next step is important


def test_without_the_detach_the_graph_grows_and_pytorch_says_why_not(visit: Visits, server_url: str) -> None:  # noqa: F811
    page = visit(charts=False, reduced_motion="reduce")
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


def test_the_acts_play_chunk_by_chunk_and_again(visit: Visits) -> None:  # noqa: F811
    page = switch_off(visit(charts=False))
    bars = act(page, "only_forward").locator(".detach-bars b")
    expect(bars).to_have_count(2)
    expect(act(page, "second_backward").get_by_role("button")).to_be_disabled()
    expect(page.at("detach-code").locator("del")).to_have_count(4)
    page.at("detach-replay").click()
    expect(bars).to_have_count(0)
    expect(bars).to_have_count(3)


def test_what_the_server_refuses_is_said_and_the_switch_goes_back(visit: Visits) -> None:  # noqa: F811
    page = visit(charts=False)
    refusal = {"code": "busy", "field": "", "detail": "8 experiments wait already"}
    page.page.route("**/lessons/detach", lambda route: route.fulfill(json=refusal, status=503))
    switch_off(page)
    expect(page.at("detach-says")).to_have_text("8 experiments wait already")
    expect(page.at("detach-switch")).to_be_checked()
    page.troubles.clear()  # the browser's own line about the 503


# ---------------------------------------------------------------- for everyone


def test_on_a_phone_the_stage_stands_above_the_transport(visit: Visits) -> None:  # noqa: F811
    page = visit(charts=False, viewport=PHONE, reduced_motion="reduce")
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
    assert page.page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
