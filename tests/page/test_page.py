"""The page in Chromium, against a real server: what a visitor sees and does."""

import base64
import contextlib
import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, WebSocketRoute, expect

from model.export.onnx import to_onnx
from model.learner import Learner
from model.recipe import Recipe
from tests.conftest import running
from tests.support.absent import without_tensorflow
from tests.support.node import folded
from tests.support.visits import DESK, PHONE, Visit, Visits

STATIC = Path(__file__).parents[2] / "static"
# ---------------------------------------------------------------- the run


def test_pause_rests_and_step_makes_one_update(page: Visit) -> None:
    page.draws(3)
    resting = page.pauses()
    page.at("step").click()
    page.draws(resting + 1)
    expect(page.at("update")).to_have_text(f"000,{resting + 1:03}")
    assert page.update == resting + 1
    page.page.keyboard.press("ArrowRight")
    page.draws(resting + 2)
    page.page.locator("body").press("Space")
    expect(page.at("status")).to_have_text("live")
    page.draws(resting + 5)


def test_reset_shows_the_same_numbers_and_a_new_seed_others(page: Visit) -> None:
    def first_updates() -> list[dict[str, Any]]:
        return [update for update in page.updates() if update["update"] == 1]

    page.draws(3)
    page.at("reset").click()
    page.until(lambda: len(first_updates()) == 2, "a second run")
    page.draws(3)
    page.page.locator("body").press("d")
    page.until(lambda: len(first_updates()) == 3, "a third run")
    first, again, other = first_updates()
    for update in (first, again, other):
        del update["milliseconds"]
    assert first == again
    assert first["prediction"] != other["prediction"]
    assert page.opened()[2]["recipe"]["seed"] != page.opened()[1]["recipe"]["seed"]


def test_pace_is_set_by_slider_and_keys(page: Visit) -> None:
    page.draws(1)

    def paces() -> list[float | str]:
        return [message["pace"] for message in page.sent if message["type"] == "pace"]

    page.at("pace").fill("0")
    expect(page.page.locator("#pace-value")).to_have_text("0.2/s")
    page.until(lambda: 0.2 in paces(), "the server hears the slowest pace")
    page.at("pace").fill("100")
    expect(page.page.locator("#pace-value")).to_have_text("max")
    page.until(lambda: "max" in paces(), "the server hears the fastest pace")
    page.at("pace").blur()
    page.page.locator("body").press("[")
    expect(page.page.locator("#pace-value")).to_have_text(re.compile(r"^\d\d/s$"))
    page.until(lambda: paces()[-1] not in (0.2, "max"), "the server hears the key")


def test_keys_do_nothing_while_typing(page: Visit) -> None:
    page.draws(1)
    page.pauses()
    page.at("source-paste").check()
    page.at("numbers").press_sequentially("r d ")
    assert len(page.opened()) == 1


# ---------------------------------------------------------------- the recipe


def test_what_is_being_typed_or_waits_for_its_run_is_not_undone_by_another_change(page: Visit) -> None:
    page.draws(2)

    def changed() -> list[float]:
        return [message["learning_rate"] for message in page.received if message["type"] == "changed"]

    samples = page.page.locator("#recipe-samples")
    samples.focus()
    samples.fill("17")
    page.says({"type": "change", "learning_rate": 0.005})
    expect(page.page.locator("#recipe-learning_rate")).to_have_value("0.005")
    expect(samples).to_have_value("17")
    page.page.evaluate(
        """() => {
          const Wire = Object.getPrototypeOf(WebSocket);
          const {send} = Wire.prototype;
          window.held = [];
          Wire.prototype.send = function (data) {
            if (`${data}`.includes('"open"')) held.push(() => send.call(this, data));
            else send.call(this, data);
          };
          window.release = () => { Wire.prototype.send = send; held.forEach((call) => call()); };
        }"""
    )
    samples.press("Tab")
    page.page.locator("[data-field=optimizer] input[value=sgd]").check()
    page.says({"type": "change", "learning_rate": 0.004})
    page.until(lambda: changed() == [0.005, 0.004], "the change is taken")
    page.page.evaluate("release()")
    page.until(lambda: page.opened()[-1]["recipe"]["optimizer"] == "sgd", "the new run")
    assert page.opened()[-1]["recipe"]["samples"] == 17
    page.draws(1)
    expect(samples).to_have_value("17")


def test_a_live_field_changes_the_run_as_it_goes(page: Visit) -> None:
    page.draws(2)
    page.choose("learning_rate", 0.005)
    page.until(lambda: any(message["type"] == "changed" for message in page.received), "the change is taken")
    changed = next(message for message in page.received if message["type"] == "changed")
    assert changed["learning_rate"] == 0.005
    assert changed["after_update"] >= 2
    page.draws(changed["after_update"] + 2)
    assert len(page.opened()) == 1
    page.page.locator("#recipe-carry_state").uncheck()
    page.until(lambda: any(message.get("carry_state") is False for message in page.received), "no state is carried")


def test_a_restart_field_opens_a_new_run(page: Visit) -> None:
    page.draws(2)
    page.page.locator("[data-field=cell] input[value=gru]").check()
    expect(page.at("network-text")).to_contain_text("GRU(")
    page.choose("shortest", 5)
    page.until(lambda: page.opened()[-1]["recipe"]["longest"] == 5, "the longest follows the shortest")
    page.draws(2)
    expect(page.at("lengths")).to_have_text(re.compile("^(50 ?)+$"))


def test_a_recipe_out_of_bounds_is_refused_at_its_field(page: Visit) -> None:
    page.draws(1)
    page.choose("longest", 9)
    expect(page.page.locator("#wrong-longest")).to_have_text("From 1 to 6.")
    page.choose("longest", 6)
    expect(page.page.locator("#wrong-longest")).to_be_hidden()
    page.choose("samples", 40)
    expect(page.page.locator(".wrong:visible")).to_contain_text("120")
    going_on = page.update
    page.draws(going_on + 1)


def test_every_preset_runs(page: Visit) -> None:
    page.draws(1)
    buttons = page.page.locator("[data-preset]")
    names = [button.get_attribute("data-preset") for button in buttons.all()]
    assert names == ["endless", "static", "dynamic", "tensorflow", "no_memory", "gru", "lstm", "streams", "pretrained"]
    names.remove("tensorflow")  # which has a test of its own, and another where it is installed
    for name in names[1:] + names[:1]:
        runs = len(page.opened())
        page.page.locator(f"[data-preset={name}]").click()
        page.until(lambda runs=runs: len(page.opened()) == runs + 1, f"{name} opens")  # type: ignore[misc]
        expect(page.page.locator(f"[data-preset={name}]")).to_have_attribute("aria-pressed", "true")
        page.draws(2)
    recipes = {name: opened["recipe"] for name, opened in zip(names[1:], page.opened()[1:], strict=False)}
    assert recipes["static"]["longest"] == 1
    assert [name for name, recipe in recipes.items() if recipe["framework"] == "torch"] == ["static", "dynamic"]
    assert recipes["dynamic"]["stop_after"] == 60
    assert recipes["pretrained"]["weights"] == "sine"


def test_without_tensorflow_its_preset_is_disabled_and_says_how_to_install_it(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path, command=without_tensorflow) as server:
        context = browser.new_context(viewport=DESK, locale="en-GB")
        page = Visit(context, server.url, charts=False)
        page.draws(1)
        preset = page.page.locator("[data-preset=tensorflow]")
        expect(preset).to_have_attribute("aria-disabled", "true")
        preset.focus()
        expect(page.page.locator("#preset-caption")).to_contain_text("pip install 'unrolled[tensorflow]'")
        page.page.keyboard.press("Enter")
        page.page.locator("[data-field=framework] input[value=tensorflow]").check(force=True)
        wrong = page.page.locator("[data-field=framework] .wrong")
        expect(wrong).to_contain_text("pip install 'unrolled[tensorflow]'")
        assert [message["recipe"]["framework"] for message in page.opened()] == ["compiled"]
        assert page.troubles == []
        context.close()


def test_a_finished_run_offers_to_go_on(page: Visit) -> None:
    page.draws(1)
    page.choose("stop_after", 6)
    expect(page.at("notice")).to_contain_text("6 updates done")
    expect(page.at("status")).to_have_text("finished")
    page.at("notice").get_by_role("button").click()
    page.draws(9)
    expect(page.at("notice")).to_be_hidden()


def diverges(page: Visit) -> dict[str, Any]:
    """Wait until the newest run has; what the server said of it."""

    def told() -> list[dict[str, Any]]:
        newest = len(page.received)
        while newest and page.received[newest - 1]["type"] != "opened":
            newest -= 1
        return [message for message in page.received[newest:] if message["type"] == "diverged"]

    page.until(lambda: bool(told()), "it diverges")
    expect(page.at("status")).to_have_text("diverged")
    return told()[0]


def test_a_diverged_run_names_the_tensor_and_rewinds_to_the_last_good_checkpoint_with_half_the_learning_rate(
    page: Visit,
) -> None:
    page.opens("optimizer=sgd&hidden_size=128")
    page.draws(10)
    page.choose("learning_rate", 1)
    told = diverges(page)
    expect(page.at("notice")).to_contain_text(told["tensor"])
    page.page.locator("[data-field=carry_state] input").uncheck()

    def changed(name: str) -> list[dict[str, Any]]:
        return [message for message in page.received if message["type"] == "changed" and name in message]

    page.until(lambda: bool(changed("carry_state")), "what is changed while it rests")
    told = changed("carry_state")[0]
    page.at("notice").get_by_role("button").click()

    def after() -> list[dict[str, Any]]:
        rest = page.received[page.received.index(told) + 1 :]
        return [message for message in rest if message["type"] in ("opened", "changed", "updates", "diverged")]

    page.until(lambda: len(after()) >= 3, "it goes on")
    opened, changed_back, updates = after()[:3]
    good = opened["update"]
    assert good in [message["after_update"] for message in changed("learning_rate")[:-1]], "before it went wrong"
    assert changed_back == {"type": "changed", "after_update": good, "learning_rate": 0.5, "carry_state": False}
    assert updates["updates"][0]["update"] == good + 1
    expect(page.at("notice")).to_contain_text(f"Back at update {good}, with a learning rate of 0.5")


NOTED = """() => {
  const notice = document.getElementById("notice");
  window.noted = [];
  new MutationObserver(() => noted.push(notice.textContent)).observe(
    notice, {childList: true, characterData: true, subtree: true});
}"""
"""Keeps what the notice says, however soon the next is said."""


def test_a_run_that_was_wrong_from_its_start_goes_back_there_until_it_learns(page: Visit) -> None:
    page.opens("optimizer=sgd&learning_rate=1")
    page.page.evaluate(NOTED)
    for rate in (0.5, 0.25):
        diverges(page)
        runs = len(page.opened())
        page.at("notice").get_by_role("button").click()
        page.until(lambda runs=runs: len(page.opened()) > runs, "it goes on")  # type: ignore[misc]
        opened = page.opened()[-1]
        assert (opened["update"], opened["changes"]) == (0, [{"after_update": 0, "learning_rate": rate}])
        told = f"Back at update 0, with a learning rate of {rate}"
        page.until(lambda told=told: told in " ".join(page.page.evaluate("noted")), told)  # type: ignore[misc]
    page.at("pace").fill("100")
    page.draws(50)
    page.until(lambda: float(page.at("loss").inner_text()) < 0.5, "it learns")
    page.at("notice").get_by_role("button").click()
    expect(page.at("notice")).to_be_hidden()


def test_a_rewind_mends_the_change_that_a_link_brought(page: Visit) -> None:
    page.opens("optimizer=sgd&hidden_size=128&pace=60&change=30:learning_rate=1,carry_state=false")
    assert diverges(page)["update"] > 31
    page.at("notice").get_by_role("button").click()
    page.until(lambda: len(page.opened()) == 2, "it goes on")
    opened = page.opened()[-1]
    assert opened["update"] == 0
    assert opened["changes"] == [{"after_update": 30, "learning_rate": 0.5, "carry_state": False}]


def test_a_change_of_a_link_is_shown_when_its_update_has_come_and_a_reset_keeps_it_to_come(
    page: Visit,
) -> None:
    page.opens("pace=0.2&change=50:learning_rate=0.001,carry_state=false")  # which would come in four minutes
    rate = page.page.locator("#recipe-learning_rate")
    expect(rate).to_have_value("0.02")
    page.at("reset").click()
    page.until(lambda: len(page.opened()) == 2, "the run begins anew")
    again = page.opened()[-1]
    assert (again["recipe"]["learning_rate"], again["recipe"]["carry_state"]) == (0.02, True)
    assert again["changes"] == [{"after_update": 50, "learning_rate": 0.001, "carry_state": False}]
    page.at("pace").fill("100")
    expect(rate).to_have_value("0.001")
    expect(page.page.locator("[data-field=carry_state] input")).not_to_be_checked()


def test_what_does_not_change_is_not_written_again(page: Visit) -> None:
    """Screen readers repeat an output whose text was set once more."""
    page.draws(2)
    page.page.evaluate(
        """() => {
          window.written = 0;
          new MutationObserver((all) => (window.written += all.length)).observe(
            document.getElementById("pace-value"), {childList: true, characterData: true, subtree: true});
        }"""
    )
    page.draws(page.update + 10)
    assert page.page.evaluate("written") == 0
    page.at("pace").fill("30")
    page.until(lambda: page.page.evaluate("written") > 0, "another pace is written")


def test_a_key_that_is_held_down_acts_once_where_it_begins_a_run(page: Visit) -> None:
    page.draws(1)
    for _ in range(4):
        page.page.keyboard.down("r")
    page.page.keyboard.up("r")
    page.until(lambda: len(page.opened()) == 2, "the run begins anew")
    page.draws(3)
    assert len(page.opened()) == 2


# ---------------------------------------------------------------- the wave


def test_a_tab_that_draws_nothing_acknowledges_nothing(page: Visit) -> None:
    page.draws(3)
    page.page.evaluate(
        """() => {
          const held = [], plain = requestAnimationFrame;
          window.requestAnimationFrame = (call) => held.push(call);  // what a hidden tab's browser does
          window.shown = () => { window.requestAnimationFrame = plain; held.forEach(plain); };
        }"""
    )
    newest = lambda: page.updates()[-1]["update"]  # noqa: E731
    window = page.opened()[0]["window"]
    page.until(lambda: newest() >= page.update + window, "the server stops a window ahead")
    assert newest() - [message for message in page.sent if message["type"] == "seen"][-1]["update"] <= window
    page.page.evaluate("shown()")
    page.draws(newest() + 1)


# ---------------------------------------------------------------- predict


# ---------------------------------------------------------------- the network as a file


def downloaded(page: Visit) -> tuple[str, bytes]:
    """Press the button; name and content of the file that comes."""
    with page.page.expect_download() as download:
        page.at("onnx").click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def heights(page: Visit) -> Any:
    parts = page.page.locator(".network, #onnx-says, #predict")
    return parts.evaluate_all("all => all.map(e => [e.getBoundingClientRect().top + scrollY, e.offsetHeight])")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_network_is_downloaded_as_onnx_as_it_stands(page: Visit, size: dict[str, int]) -> None:
    page.page.set_viewport_size(size)  # type: ignore[arg-type]
    page.draws(3)
    page.pauses()
    before = heights(page)
    expect(page.at("onnx-says")).to_have_text("As it stands now, for ONNX Runtime.")
    name, data = downloaded(page)
    page.until(lambda: name == f"unrolled-rnn-{page.update}.onnx", f"{name} is of the newest update")
    learner = Learner(Recipe())
    while learner.update < page.update:
        learner.advance()
    assert data == to_onnx(learner.checkpoint())
    expect(page.at("onnx-says")).to_have_text(f"Downloaded {name}")
    page.speaks("zh")
    expect(page.at("onnx-says")).to_have_text(f"已下载 {name}")
    page.speaks("en")
    expect(page.at("onnx-says")).to_have_text(f"Downloaded {name}")
    assert heights(page) == before, "nothing moves"
    page.at("reset").click()
    expect(page.at("onnx-says")).to_have_text("As it stands now, for ONNX Runtime.")


def test_a_download_that_fails_says_so_and_can_be_tried_again(page: Visit) -> None:
    page.draws(1)
    before = heights(page)
    held: list[Any] = []
    page.page.route("**/onnx", lambda route: held.append(route))
    page.at("onnx").click()
    expect(page.at("onnx")).to_have_attribute("aria-busy", "true")
    expect(page.at("onnx-says")).to_have_text("Asking for the run as it stands…")
    page.at("onnx").click()  # busy: not a second request
    page.until(lambda: len(held) == 1, "the checkpoint is sent")
    held[0].abort()
    expect(page.at("onnx-says")).to_have_text("The server did not answer. Try again in a moment.")
    expect(page.at("onnx-says")).to_have_class(re.compile("error"))
    assert heights(page) == before, "nothing moves"
    page.at("onnx").click()
    page.until(lambda: len(held) == 2, "it is tried again")
    held[1].fulfill(status=507, json={"code": "store_full", "field": "", "detail": "a sentence of the server's"})
    expect(page.at("onnx-says")).to_have_text("a sentence of the server's")
    assert len([message for message in page.sent if message["type"] == "checkpoint"]) == 2
    page.page.unroute("**/onnx")
    downloaded(page)
    expect(page.at("onnx-says")).not_to_have_class(re.compile("error"))
    assert len(page.troubles) == 3, page.troubles  # the browser's own words about the two that failed
    page.troubles.clear()


WITH_A_CHANGE = """(older) => {
  const wire = wires.at(-1);
  wire.send = (data) => {
    if (JSON.parse(data).type === 'checkpoint') {
      delete wire.send;
      wire.onmessage({data: JSON.stringify({type: 'changed', after_update: 1, learning_rate: 0.02})});
      wire.onmessage({data: Uint8Array.from(atob(older), (letter) => letter.charCodeAt(0)).buffer});
    }
    WebSocket.prototype.send.call(wire, data);
  };
}"""
"""Has the page hear of a change, and the older checkpoint that comes behind it, just when it asks for one."""


def test_a_checkpoint_that_was_asked_for_is_told_from_one_that_follows_a_change(page: Visit) -> None:
    learner = Learner(Recipe())
    learner.advance()
    page.draws(3)
    page.page.evaluate(WITH_A_CHANGE, base64.b64encode(learner.checkpoint().to_bytes()).decode())
    name, _ = downloaded(page)
    assert int(re.findall(r"\d+", name)[0]) >= 3


# ---------------------------------------------------------------- for everyone


def test_language_and_theme_are_switched_and_remembered(visit: Visits) -> None:
    page = visit(charts=False)
    page.draws(1)
    page.speaks("zh")
    expect(page.at("status")).to_have_text("实时")
    expect(page.page.locator("#label-learning_rate")).to_have_text("学习率")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light = page.page.evaluate(ground)
    page.at("theme").click()
    assert page.page.evaluate(ground) != light
    page.page.reload()
    expect(page.at("start-anew")).to_have_text("重新开始")
    assert page.page.evaluate(ground) != light


def test_both_languages_say_everything() -> None:
    tables = {name: json.loads((STATIC / "i18n" / f"{name}.json").read_text("utf-8")) for name in ("en", "zh")}
    assert list(tables["en"]) == list(tables["zh"])
    holes = {
        # a refusal's field is named in Chinese alone: in English the server's own sentence has it already
        name: {key: re.findall(r"{(?!field)\w+}", text) for key, text in table.items()}
        for name, table in tables.items()
    }
    assert {key: sorted(found) for key, found in holes["en"].items()} == {
        key: sorted(found) for key, found in holes["zh"].items()
    }
    page = (STATIC / "index.html").read_text("utf-8")
    assert set(re.findall(r'data-say(?:-label)?="([^"]+)"', page)) <= set(tables["en"])


def test_every_field_of_the_recipe_has_words(server_url: str) -> None:
    schema = httpx.get(server_url + "/recipe/schema").json()["properties"]
    words = json.loads((STATIC / "i18n" / "en.json").read_text("utf-8"))
    for name, field in schema.items():
        assert words[f"recipe.{name}"] == field["title"]
        assert words[f"recipe.{name}.help"] == field["description"]
        assert not field["unit"] or f"unit.{field['unit']}" in words


# ---------------------------------------------------------------- the socket's fate


def test_a_long_run_goes_on_after_a_lost_connection_without_a_gap(page: Visit) -> None:
    page.opens("seed=1&pace=0.2")  # the first checkpoint takes its time to come
    page.until(lambda: any(each["type"] == "checkpoint" for each in page.received), "a checkpoint on the way")
    on_the_way = next(each["update"] for each in page.received if each["type"] == "checkpoint")
    page.at("pace").fill("100")
    page.draws(on_the_way + 60)
    drawn = page.update
    page.page.evaluate("wires.at(-1).close()")
    page.until(lambda: len(page.opened()) == 2, "it is taken up")
    taken_up = page.opened()[1]["update"]
    assert taken_up >= on_the_way > 0
    page.draws(drawn + 60)
    # a message that was on its way when the page closed its socket comes, but is not told to the page
    held = next(message["after"] for message in reversed(page.sent) if message.get("resume"))
    assert held >= drawn, "nothing that was drawn is asked for again"
    again = page.received.index(page.opened()[1])
    updates = [update for update in page.updates(until=again) if update["update"] <= held] + page.updates(since=again)
    made = [update["update"] for update in updates]
    assert made == list(range(1, len(made) + 1)), "none is missing, none came twice"
    expect(page.at("notice")).to_be_hidden()
    losses = [np.float32(update["loss"]) for update in updates]
    learner = Learner(Recipe())
    assert losses == [np.float32(learner.advance().loss) for _ in losses]


def test_after_a_restart_of_the_server_the_run_goes_on_from_the_checkpoint_of_a_download(
    browser: Browser, start_server: Callable[..., Any]
) -> None:
    context = browser.new_context(viewport=DESK, locale="en-US")
    with start_server() as server:
        page = Visit(context, server.url + "/", charts=False)
        page.draws(8)
        page.at("play").click()  # no checkpoint comes by itself while it rests
        expect(page.at("status")).to_have_text("paused")
        name, _ = downloaded(page)
        port = server.port
        server.process.terminate()
        server.process.wait(20)
        page.until(lambda: page.at("status").inner_text() in ("reconnecting", "connecting"), "it is noticed")
        expect(page.at("onnx")).to_be_disabled()
    held = page.updates()[-1]["update"]
    with start_server(port=port):
        page.until(lambda: len(page.opened()) == 2, "it resumes")
        assert name == f"unrolled-rnn-{page.opened()[1]['update']}.onnx"
        expect(page.at("onnx")).to_be_enabled()
        page.at("play").click()
        page.draws(held + 3)
        expect(page.at("status")).to_have_text("live")
        numbers = [update["update"] for update in page.updates()]
        assert numbers == list(range(1, len(numbers) + 1))
        resumed = [message for message in page.sent if message.get("resume")]
        assert resumed[0]["after"] == held
        context.close()


class SubPath(socketserver.StreamRequestHandler):
    """What a proxy does that serves the app under /lab/: takes the prefix off, leaves the rest alone."""

    rbufsize = 0  # a body stays in the socket, for `pump`

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        assert head.split()[1].startswith(b"/lab/"), head
        head = head.replace(b"/lab/", b"/", 1)
        if b"upgrade: websocket" not in head.lower():
            head = re.sub(rb"(?i)connection: keep-alive", b"Connection: close", head)
        with socket.create_connection(("127.0.0.1", self.server.behind)) as behind:  # type: ignore[attr-defined]
            behind.sendall(head)
            up = threading.Thread(target=self.pump, args=(self.connection, behind), daemon=True)
            up.start()
            self.pump(behind, self.connection)

    @staticmethod
    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def test_it_works_under_a_sub_path(visit: Visits, server: Any) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), SubPath) as proxy:
        proxy.daemon_threads = True
        proxy.behind = server.port  # type: ignore[attr-defined]
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        page = visit(f"http://127.0.0.1:{proxy.server_address[1]}/lab/", charts=False)
        page.draws(2)
        plotly = page.page.locator("script[src*=plotly]").evaluate("script => script.src")
        assert "/lab/assets/" in plotly
        assert httpx.get(plotly).headers["content-type"].startswith("text/javascript")
        page.at("predict-go").click()
        expect(page.at("predict-mse")).to_contain_text("mean squared error")
        assert "/lab/predict" in page.at("curl").inner_text()
        downloaded(page)
        page.page.close()
        proxy.shutdown()


OPENED = {"type": "opened", "recipe": {"seed": 1}, "changes": [], "update": 0, "window": 5, "network": {}}


@pytest.mark.parametrize(
    ("code", "message", "word", "sentence"),
    [
        (1008, None, "refused", "not from here"),
        (None, {"type": "surprise"}, "out of date", "surprise"),
        (None, OPENED | {"protocol": 2}, "out of date", "reload the page"),
    ],
    ids=["refused", "unknown message", "another protocol"],
)
def test_what_keeps_a_visitor_out_is_said(
    browser: Browser, server_url: str, code: int | None, message: dict[str, Any] | None, word: str, sentence: str
) -> None:
    def answer(route: WebSocketRoute) -> None:
        if message is not None:
            route.send(json.dumps(message))
        if code is not None:
            route.close(code=code, reason="not from here")

    context = browser.new_context(viewport=DESK, locale="en-US")
    context.route_web_socket("**/ws/train", answer)
    page = Visit(context, server_url + "/", charts=False)
    expect(page.at("status")).to_have_text(word)
    expect(page.at("notice")).to_contain_text(sentence)
    context.close()
    assert page.troubles == []


FULL = """() => {
  const Plain = WebSocket;
  window.WebSocket = class {
    static OPEN = Plain.OPEN;
    constructor() {
      window.WebSocket = Plain;
      setTimeout(() => this.onclose({code: 1013, reason: 'not from here'}));
    }
  };
  wires.at(-1).close();
}"""
"""Cuts the page's connection, and has the hall full when it tries another."""


def test_that_the_hall_is_full_is_said(page: Visit) -> None:
    page.page.evaluate(FULL)
    expect(page.at("status")).to_have_text("hall is full")
    expect(page.at("notice")).to_contain_text("rying again in")


# ---------------------------------------------------------------- state.js, a pure function


def test_state_is_bounded_and_a_message_leaves_the_old_state_alone() -> None:
    result = folded(
        """
        let now = state.apply(state.initialState(), opened);
        const before = now;
        for (let n = 1; n <= 3000; n += 3)
          now = state.apply(now, {type: 'updates', updates: [chunk(n), chunk(n + 1), chunk(n + 2)]});
        const again = state.apply(now, {type: 'updates', updates: [chunk(2999)]});
        return {before: before.chunks.length, update: now.update, chunks: now.chunks.length, same: again === now,
          lengths: now.lengths.length, points: now.losses.points.length, stride: now.losses.stride,
          counted: now.losses.points.reduce((sum, point) => sum + point.count, 0)};
        """,
    )
    assert result == {
        "before": 0,
        "update": 3000,
        "chunks": 200,
        "same": True,
        "lengths": 80,
        "points": 375,
        "stride": 8,
        "counted": 3000,
    }


def test_that_a_files_run_goes_on_is_news_for_seconds_at_every_pace() -> None:
    script = """
      const told = (pace, update) => {
        let now = state.apply(state.initialState(), {type: 'pace', pace});
        now = state.apply(now, {type: 'opening', after: null, file: {losses: new Float32Array()}});
        now = state.apply(now, {...opened, update: 50});
        const heard = (now, update) => state.apply(now, {type: 'updates', updates: [chunk(update)]});
        return heard(heard(now, update), update + 1).notice?.kind ?? null;
      };
      return [[20, 149], [20, 150], ['max', 20_049], ['max', 20_050]].map(([pace, update]) => told(pace, update));
    """
    assert folded(script) == ["loaded", None, "loaded", None]


def test_the_loss_chart_has_two_million_updates_in_its_few_points_from_first_to_last() -> None:
    script = """
      const {withLosses, LOSS_POINTS} = await import('/static/run/losses.js');
      let now = {update: 0, losses: {stride: 1, points: []}, recent: []};
      for (let from = 1; from <= 2_000_000; from += 250)
        now = withLosses(now, Array.from({length: 250}, (_, i) => ({update: from + i, loss: (from + i) % 2 ? 1 : 3})));
      const {stride, points} = now.losses;
      return {fits: points.length <= LOSS_POINTS, last: points.at(-1).update,
        updates: points.slice(0, -1).every(({update, count}, i) => count === stride && update === (i + 1) * stride),
        means: points.every(({loss, recentMean}) => Math.abs(loss - 2) < 1e-6 && Math.abs(recentMean - 2) < 1e-6)};
    """
    assert folded(script) == {"fits": True, "last": 2_000_000, "updates": True, "means": True}


def test_state_keeps_the_curve_on_resume_and_drops_it_on_a_new_run() -> None:
    result = folded(
        """
        let now = state.apply(state.initialState(), opened);
        now = state.apply(now, {type: 'updates', updates: [chunk(1), chunk(2)]});
        now = state.apply(now, {type: 'changed', after_update: 2, learning_rate: 0.1});
        const resumed = state.apply(state.apply(now, {type: 'opening', after: 2}), {...opened, update: 0});
        const rewound = state.apply(state.apply(now, {type: 'opening', after: 0}), {...opened, update: 0});
        const fresh = state.apply(state.apply(now, {type: 'opening'}), opened);
        const anew = state.apply(state.apply(now, {type: 'opening', lost: true}), opened);
        const third = {type: 'updates', updates: [chunk(3)]};
        const late = [{}, {after: 2}].map((more) =>
          state.apply(state.apply(now, {type: 'opening', ...more}), third).update);
        return [now.current.learning_rate, resumed.chunks.length, rewound.chunks.length, rewound.notice.kind,
          fresh.chunks.length, fresh.notice, ...late, anew.notice.kind];
        """,
    )
    # an `open` may be refused, and the run that it would have ended goes on; what is resumed is made again
    assert result == [0.1, 2, 0, "restarted", 0, None, 3, 2, "restarted"]


def test_state_has_a_change_in_force_from_the_update_after_it() -> None:
    result = folded(
        """
        const log = [{after_update: 2, carry_state: false}, {after_update: 9, learning_rate: 0.5}];
        const recipe = {...opened.recipe, carry_state: true};
        let now = state.apply(state.initialState(), {...opened, recipe, changes: log});
        const seen = [now.current];
        for (let n = 1; n <= 3; n += 1) {
          now = state.apply(now, {type: 'updates', updates: [chunk(n)]});
          seen.push(now.current);
        }
        now = state.apply(now, {type: 'changed', after_update: 5, learning_rate: 0.1});
        const {current, changes, made} = now;
        return {carries: seen.map(({carry_state}) => carry_state), rates: seen.map(({learning_rate}) => learning_rate),
          carried: now.chunks.map(({carried}) => carried), rate: current.learning_rate, made,
          log: changes.map(({after_update}) => after_update)};
        """,
    )
    assert result == {
        "carries": [True, True, False, False],
        "rates": [0.02] * 4,
        "carried": [False, True, False],
        "rate": 0.1,
        "made": 5,
        "log": [2, 5, 9],
    }


UNDER = """
let now = state.apply(state.initialState(),
  {...opened, recipe: {...opened.recipe, carry_state: CARRY}, floors: {memoryless: 0.53, no_carry: 0.06}});
let n = 0;
const reach = (loss, count) => {
  for (let i = 0; i < count; i += 1)
    now = state.apply(now, {type: 'updates', updates: [{...chunk(n += 1), loss}]});
  return now.reached;
};
return [reach(0.5, 49), reach(0.5, 1), reach(0.001, 60), reach(2, 50)];
"""


def test_a_floor_is_taken_back_when_the_mean_of_the_last_50_is_above_it_again() -> None:
    young, memoryless, both, lost = folded(UNDER.replace("CARRY", "true"))
    assert young == {}
    assert memoryless == {"memoryless": {"since": 50, "under": True}}
    assert both["memoryless"] == {"since": 50, "under": True}
    assert both["no_carry"] == {"since": 50 + 45, "under": True}
    assert {name: reach["under"] for name, reach in lost.items()} == {"memoryless": False, "no_carry": False}


def test_a_run_whose_state_is_reset_is_never_said_to_be_under_the_lower_floor() -> None:
    *_, under, lost = folded(UNDER.replace("CARRY", "false"))
    assert under == {"memoryless": {"since": 50, "under": True}}
    assert lost == {"memoryless": {"since": 50, "under": False}}


def test_state_throws_on_a_message_that_it_does_not_know() -> None:
    script = "try { state.apply(state.initialState(), {type: 'surprise'}) } catch (error) { return error.message }"
    assert folded(script) == "unknown message type: surprise"
