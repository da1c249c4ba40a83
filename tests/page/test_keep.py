"""Your run, from the page: saved and loaded as a file, used to predict, and verified by its receipt."""

import hashlib
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.torch
import torch
from playwright.sync_api import Browser, Page, expect
from torch import nn

from tests.support.anew import begins_anew
from tests.support.axe import violations
from tests.support.display import cheap
from tests.support.keeping import comes_near, drags, saves
from tests.support.visits import DESK, PHONE, Visit, Visits

CELLS: dict[str, type[nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
MADE = ("update", "length", "streams", "stream_ids", "t", "input", "target", "prediction", "loss", "mean_loss")


@pytest.fixture(scope="module")
def resident(browser: Browser, server_url: str) -> Iterator[Visit]:
    """One page for tests that need no other settings than a first visit's."""
    context = browser.new_context(viewport=DESK, locale="en-US")
    resident = Visit(context, server_url + "/", prepare=cheap)
    resident.draws(1)
    yield resident
    context.close()


@pytest.fixture(scope="module")
def plain(resident: Visit) -> dict[str, Any]:
    """The recipe of a first visit."""
    return resident.opened()[0]["recipe"]


@pytest.fixture
def page(resident: Visit, plain: dict[str, Any]) -> Iterator[Visit]:
    """The page with its first run begun anew, as a visitor meets it."""
    begins_anew(resident, plain)
    yield resident
    if resident.page.evaluate("document.body.classList.contains('playing')"):
        resident.at("play").click()  # nobody looks
    assert resident.troubles == []


def steps(page: Visit) -> dict[str, Any]:
    """One update of a run that is paused."""
    made = len(page.updates())
    page.at("step").click()
    page.until(lambda: len(page.updates()) > made, "a step")
    return page.updates()[-1]


def test_a_saved_run_opens_with_safetensors_and_its_weights_fit_a_plain_network(page: Visit) -> None:
    page.draws(2)
    comes_near(page)
    for run, (cell, kind) in enumerate(CELLS.items(), 2):
        page.page.evaluate(f"location.hash = '#seed=3&hidden_size=8&cell={cell}'")
        page.until(partial(lambda run: len(page.opened()) == run, run), "a run of this cell")
        page.draws(5)
        resting = page.pauses()
        name, data = saves(page)
        assert name == f"unrolled-{cell}-seed3-update{resting}.safetensors"
        expect(page.at("keep-file-says")).to_have_text(f"Saved {name}")
        tensors = safetensors.torch.load(data)
        following = steps(page)
        rnn, out = kind(input_size=1, hidden_size=8, batch_first=True), nn.Linear(8, 1)
        for module, prefix in ((rnn, "rnn."), (out, "out.")):
            own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            module.load_state_dict(own, strict=True)
        parts = tuple(tensors["hidden_state"][:, None])  # parts, layer, streams, units
        state = parts if cell == "lstm" else parts[0]
        with torch.no_grad():
            prediction = out(rnn(torch.tensor(following["input"])[..., None], state)[0])[..., 0]
        assert following["update"] == resting + 1
        np.testing.assert_allclose(prediction.numpy(), following["prediction"], atol=1e-6)


def test_a_file_that_is_dropped_or_chosen_goes_on_from_its_update(page: Visit, tmp_path: Path) -> None:
    page.draws(3)
    resting = page.pauses()
    comes_near(page)
    name, data = saves(page)
    wanted = steps(page)
    page.page.locator("body").press("d")
    page.until(lambda: page.opened()[-1]["recipe"]["seed"] != 1, "another run")

    drags(page, name, data, "dragover")
    expect(page.at("drop")).to_be_visible()
    drags(page, name, data, "dragleave")
    expect(page.at("drop")).to_be_hidden()
    drags(page, name, data)
    expect(page.at("drop")).to_be_hidden()
    expect(page.at("keep-file-says")).to_have_text(f"{name} goes on from update {resting}.")
    assert page.opened()[-1]["update"] == resting
    expect(page.at("update")).to_have_text(f"000,{resting:03}")
    again = steps(page)
    assert {name: again[name] for name in MADE} == {name: wanted[name] for name in MADE}

    page.page.evaluate("location.hash = '#seed=9'")
    page.until(lambda: page.opened()[-1]["recipe"]["seed"] == 9, "another run")
    file = tmp_path / name
    file.write_bytes(data)
    with page.page.expect_file_chooser() as chooser:
        page.at("keep-load").click()
    chooser.value.set_files(file)
    page.until(lambda: page.opened()[-1]["recipe"]["seed"] == 1, "the file's run")
    expect(page.at("keep-seen")).to_contain_text("No update")


def test_a_wrong_file_is_answered_with_a_sentence_and_the_run_goes_on(page: Visit, server_url: str) -> None:
    page.draws(2)
    comes_near(page)
    _, data = saves(page)
    runs = len(page.opened())
    for name, wrong, sentence in [
        ("large.bin", bytes(2**20 + 1), r"It has 1\.0 MiB\. A run's file has at most 1 MiB\."),
        ("empty.safetensors", b"", "It is empty."),
        ("text.txt", b"Once upon a time", "It is not a run saved from this page"),
        ("other.safetensors", safetensors.torch.save({"w": torch.zeros(3)}), "It is not a run saved from this page"),
        ("cut.safetensors", data[:400], "It is incomplete"),
        ("list.json", b"[1, 2]", "It is not a run saved from this page"),
        ("other.json", b'{"a": 1, "b": 2}', "no receipt of a run"),
    ]:
        drags(page, name, wrong)
        expect(page.at("drop-says")).to_contain_text(f"{name} was not taken.")
        expect(page.at("drop-says")).to_contain_text(re.compile(sentence))
        expect(page.at("keep-file-says")).to_contain_text(re.compile(sentence))
    page.at("drop-says").get_by_role("button").click()
    expect(page.at("drop-says")).to_be_hidden()
    sent = len(page.sent)
    drags(page, "sine.safetensors", httpx.get(server_url + "/models/sine").content)
    expect(page.at("toast")).to_be_visible()
    expect(page.at("keep-file-says")).to_contain_text("sine.safetensors was not taken.")
    assert [message["type"] for message in page.sent[sent:] if message["type"] == "open"] == ["open"]
    assert len(page.opened()) == runs
    page.draws(page.update + 3)


def test_an_uploaded_run_answers_in_the_predict_panel(visit: Visits, server_url: str) -> None:
    page = visit(prepare=cheap)
    page.draws(3)
    page.pauses()
    comes_near(page)
    _, data = saves(page)
    id = hashlib.sha256(data).hexdigest()[:16]
    page.at("keep-use").click()
    expect(page.at("predict-model")).to_be_focused()
    expect(page.at("predict-model")).to_have_value(id)
    expect(page.at("predict-model").locator("option:checked")).to_have_text(re.compile(r"^your run, update \d+$"))
    expect(page.at("predict-model")).to_be_in_viewport()
    expect(page.at("curl")).to_contain_text(f'"model":"{id}"')
    page.at("carry").check()
    carried = ""
    for model in (id, id, "sine"):
        if carried != model:
            page.at("predict-model").select_option(model)
        with page.page.expect_response("**/predict") as answered:
            page.at("predict-go").click()
        sent, answer = json.loads(answered.value.request.post_data or ""), answered.value.json()
        assert sent.get("model", "sine") == answer["model"]["id"] == model
        assert answer["prediction"] == httpx.post(server_url + "/predict", json=sent).json()["prediction"]
        assert ("state" in sent) == (carried == model), "a state is its network's"
        carried = model
        expect(page.page.locator("#carry-caption")).to_contain_text("State kept")
    expect(page.at("curl")).not_to_contain_text('"model"')
    page.page.locator("[data-language=zh]").click()
    expect(page.at("predict-model").locator("option").nth(0)).to_have_text("sine，已训练好")
    expect(page.at("predict-model").locator(f"option[value='{id}']")).to_have_text(re.compile("^你的训练"))


def test_a_receipt_is_replayed_and_its_verdict_told_plainly(visit: Visits) -> None:
    page = visit(prepare=cheap, color_scheme="dark")
    page.draws(3)
    page.changes("learning_rate", 0.005)
    page.draws(page.update + 3)
    page.pauses()
    comes_near(page)
    made = len(page.updates())
    name, data = saves(page, "receipt-save")
    receipt = json.loads(data)
    assert name == f"unrolled-rnn-seed1-update{made}-receipt.json"
    assert receipt["updates"] == made
    losses = np.array([update["loss"] for update in page.updates()], "<f4")
    assert receipt["losses_sha256"] == hashlib.sha256(losses.tobytes()).hexdigest()
    expect(page.at("receipt-of")).to_have_text(f"The first {made} updates, seed 1")
    expect(page.at("receipt-hash")).to_have_text(receipt["losses_sha256"])
    expect(page.at("receipt-seen")).to_have_text("The losses that this page drew have the same hash.")
    page.at("receipt-replay").click()
    expect(page.at("receipt-says")).to_have_text(f"Equal to the last bit: all {made} losses came out the same.")
    expect(page.at("receipt-progress")).to_be_hidden()
    assert violations(page, "#keep") == []

    receipt["recipe"]["seed"] = 2
    drags(page, "changed.json", json.dumps(receipt).encode())
    expect(page.at("receipt-of")).to_have_text(f"The first {made} updates, seed 2, from changed.json")
    expect(page.at("receipt-says")).to_have_text(re.compile(r"^Not equal: .* The versions are the same, so"))
    receipt["versions"]["torch"] = "1.0<b>"
    drags(page, "older.json", json.dumps(receipt).encode())
    expect(page.at("receipt-says")).to_have_text(re.compile(r"^Not equal: .*torch 1\.0<b> then, \d"))
    receipt["recipe"]["hidden_size"] = 4000
    drags(page, "wild.json", json.dumps(receipt).encode())
    expect(page.at("receipt-says")).to_contain_text("Hidden size")
    assert violations(page, "#keep") == []
    assert len(page.opened()) == 1


def test_a_long_replay_shows_how_far_it_is_and_can_be_cancelled(visit: Visits) -> None:
    page = visit(prepare=cheap, viewport=PHONE, has_touch=True, is_mobile=True, locale="zh-CN")
    page.draws(3)
    page.at("play").click()
    comes_near(page)
    _, data = saves(page, "receipt-save")
    long = json.loads(data) | {"updates": 2000}
    long["recipe"] |= {"cell": "lstm", "hidden_size": 128, "longest": 3, "samples": 40}
    with page.page.expect_file_chooser() as chooser:
        page.at("receipt-file").click()
    chooser.value.set_files({"name": "长.json", "mimeType": "application/json", "buffer": json.dumps(long).encode()})
    expect(page.at("receipt-says")).to_have_text("正在重做这次训练……")
    page.until(lambda: any(message["type"] == "progress" for message in page.received), "progress")
    expect(page.at("receipt-count")).to_have_text(re.compile(r"^第 [1-9][\d,]* 次更新，共 2,000 次$"))
    assert float(page.at("receipt-progress").get_attribute("value") or 0) > 0
    for button in page.page.locator("#keep").get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
    assert page.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert violations(page, "#keep") == []
    page.at("receipt-cancel").click()
    expect(page.at("receipt-says")).to_have_text("已取消，没有验证。")
    expect(page.at("receipt-replay")).to_be_focused()
    assert not any(message["type"] == "verdict" for message in page.received)


def test_a_replay_that_finds_no_room_or_is_cut_off_says_so(visit: Visits) -> None:
    closes: dict[str, Any] = {"code": 1013, "reason": "full"}

    def prepare(page: Page) -> None:
        cheap(page)
        page.route_web_socket("**/ws/verify", lambda socket: socket.on_message(lambda _: socket.close(**closes)))

    page = visit(prepare=prepare)
    page.draws(3)
    comes_near(page)
    page.at("receipt-replay").click()
    expect(page.at("receipt-says")).to_contain_text("no room to replay")
    closes |= {"code": 1011, "reason": ""}
    page.at("receipt-replay").click()
    expect(page.at("receipt-says")).to_contain_text("The connection was lost before the replay was done.")
