"""Receipts: what a run came to, and the same run made again to compare, over HTTP, a websocket and in a terminal."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from click.testing import CliRunner, Result
from pydantic import ValidationError
from websockets.sync.client import ClientConnection, connect

from app.cli import main
from app.protocol.replay import read_from_verifier, to_verifier
from model.checkpoint import PROVEN, Checkpoint, Earlier
from model.learner import Learner
from model.receipt import Receipt
from model.recipe import Change, Recipe
from tests.conftest import Server
from tests.support.sockets import eventually
from tests.support.viewers import PATIENCE, viewer

PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
EXAMPLES = re.findall(r"```json (verifier|replay)\n(.*?)\n```", PROTOCOL, re.DOTALL)

CHANGED = (Change(after_update=4, learning_rate=0.005), Change(after_update=7, carry_state=False))


def made(updates: int = 10, changes: tuple[Change, ...] = CHANGED, **fields: Any) -> Checkpoint:
    learner = Learner(Recipe.model_validate(fields), changes=changes)
    for _ in range(updates):
        learner.advance()
    return learner.checkpoint()


CHECKPOINT = made()
RECEIPT = json.loads(Receipt.of(CHECKPOINT).model_dump_json())
HEAVY = {"cell": "lstm", "hidden_size": 128, "fewest_streams": 8, "most_streams": 8, "samples": 30, "longest": 4}


@contextmanager
def verifier(server: Server) -> Iterator[ClientConnection]:
    with connect(server.url.replace("http", "ws") + "/ws/verify") as socket:
        yield socket


def said(socket: ClientConnection, **message: Any) -> list[dict[str, Any]]:
    """Everything that is answered, up to the verdict or a refusal."""
    socket.send(json.dumps(message))
    heard: list[dict[str, Any]] = []
    while not heard or heard[-1]["type"] == "progress":
        text = socket.recv(PATIENCE)
        to_verifier.validate_json(text)
        heard.append(json.loads(text))
    return heard


def test_a_receipt_has_the_sha256_of_the_losses_as_float32() -> None:
    learner = Learner(Recipe(), changes=CHANGED)
    losses = np.array([learner.advance().loss for _ in range(10)], "<f4")
    assert RECEIPT["losses_sha256"] == hashlib.sha256(losses.tobytes()).hexdigest()
    assert RECEIPT["updates"] == 10
    assert RECEIPT["recipe"] == json.loads(Recipe().model_dump_json())
    assert [change["after_update"] for change in RECEIPT["changes"]] == [4, 7]
    assert RECEIPT["versions"] == learner.versions


def test_a_receipt_covers_the_losses_that_are_kept_and_the_changes_that_bear_on_them() -> None:
    changes = (Change(after_update=1, learning_rate=0.01), Change(after_update=PROVEN, learning_rate=0.001))
    checkpoint = made(PROVEN + 3, changes, samples=4, hidden_size=4)
    earlier = (Earlier(until_update=2, versions={}), Earlier(until_update=PROVEN + 1, versions={}))
    run = checkpoint.run.model_copy(update={"earlier": earlier})
    receipt = Receipt.of(Checkpoint(run, checkpoint.tensors))
    assert receipt.updates == PROVEN
    assert receipt.changes == changes[:1]
    assert receipt.earlier == earlier[:1]


FIRST_FORM = (Path(__file__).parents[1] / "model" / "formats" / "receipt-1.json").read_text()
"""A receipt as the releases wrote it whose NumPy learner went by the name of `torch`."""


def test_a_receipt_of_the_first_form_that_says_torch_means_compiled() -> None:
    assert json.loads(FIRST_FORM)["recipe"]["framework"] == "torch"
    receipt = Receipt.model_validate_json(FIRST_FORM)
    assert receipt.recipe.framework == "compiled"
    learner = Learner(receipt.recipe, changes=receipt.changes)
    for _ in range(receipt.updates):
        learner.advance()
    assert receipt.compared(learner).equal or receipt.versions != learner.versions


@pytest.mark.parametrize("framework", ["compiled", "torch"])
def test_a_receipt_of_todays_form_means_the_framework_that_it_says(server: Server, framework: str) -> None:
    receipt = json.loads(Receipt.of(made(20, framework=framework)).model_dump_json())
    assert (receipt["unrolled_receipt"], receipt["recipe"]["framework"]) == (2, framework)
    with verifier(server) as socket:
        verdict = said(socket, type="verify", receipt=receipt)[-1]
        other = {"compiled": "torch", "torch": "compiled"}[framework]
        swapped = receipt | {"recipe": receipt["recipe"] | {"framework": other}}
        assert said(socket, type="verify", receipt=swapped)[-1]["equal"] is False
    assert (verdict["equal"], verdict["versions"]) == (True, receipt["versions"])


def test_a_receipt_of_a_framework_that_is_not_offered_is_refused_by_name(start_server: Callable[..., Any]) -> None:
    receipt = RECEIPT | {"recipe": {"framework": "torch"}}
    with start_server(frameworks="compiled,tensorflow") as small, verifier(small) as socket:
        (refused,) = said(socket, type="verify", receipt=receipt)
        assert (refused["code"], refused["field"]) == ("not_offered", "receipt.recipe.framework")
        assert refused["detail"].endswith("(compiled, tensorflow), not torch")
        assert said(socket, type="verify", receipt=RECEIPT)[-1]["equal"] is True, "the connection stays"


def test_what_has_no_losses_gets_no_receipt(server: Server) -> None:
    sine = httpx.get(server.url + "/models/sine").content
    lost = Checkpoint(CHECKPOINT.run, {**CHECKPOINT.tensors, "losses": np.zeros(3, np.float32)})
    for data, says in (
        (sine, "has none"),
        (made(0).to_bytes(), "has none"),
        (lost.to_bytes(), "first 10 updates were not kept"),
        (b"not a checkpoint", "header claims"),
    ):
        answer = httpx.post(server.url + "/receipt", content=data)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_model")
        assert says in answer.json()["detail"]


def test_a_run_played_on_the_page_gets_a_receipt_that_is_verified_on_the_server(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(recipe={"cell": "gru"}, pace="max")
        one.updates(20)
        one.send(type="change", learning_rate=0.005)
        one.until("changed")
        one.next()
        one.updates(100)
        one.send(type="checkpoint")
        while not isinstance(checkpoint := one.next(), bytes):
            one.seen(checkpoint["updates"][-1]["update"])
    receipt = httpx.post(server.url + "/receipt", content=checkpoint).json()
    assert receipt["changes"][0]["learning_rate"] == 0.005
    with verifier(server) as socket:
        *progress, verdict = said(socket, type="verify", receipt=receipt)
    assert verdict["type"] == "verdict"
    assert (verdict["equal"], verdict["losses_sha256"]) == (True, receipt["losses_sha256"])
    assert verdict["updates"] == receipt["updates"]
    assert verdict["versions"] == receipt["versions"]
    assert [each["update"] for each in progress] == sorted(each["update"] for each in progress)


@pytest.mark.parametrize(
    "forged",
    [
        {"losses_sha256": "0" * 64},
        {"updates": 9},
        {"changes": []},
        {"recipe": RECEIPT["recipe"] | {"seed": 2}},
    ],
    ids=["hash", "updates", "changes", "recipe"],
)
def test_a_receipt_that_is_not_the_runs_is_not_equal(server: Server, forged: dict[str, Any]) -> None:
    with verifier(server) as socket:
        assert said(socket, type="verify", receipt=RECEIPT)[-1]["equal"]
        assert not said(socket, type="verify", receipt=RECEIPT | forged)[-1]["equal"]


def test_a_replay_that_diverges_is_not_equal_and_says_how_far_it_came(server: Server) -> None:
    recipe = {"learning_rate": 1, "optimizer": "sgd", "seed": 3}
    with verifier(server) as socket:
        verdict = said(socket, type="verify", receipt=RECEIPT | {"recipe": recipe, "changes": [], "updates": PROVEN})[
            -1
        ]
    assert not verdict["equal"]
    assert verdict["updates"] < PROVEN


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        ({"type": "verify"}, "missing", "receipt"),
        ({"type": "verify", "receipt": RECEIPT | {"updates": 0}}, "out_of_range", "receipt.updates"),
        ({"type": "verify", "receipt": RECEIPT | {"updates": PROVEN + 1}}, "out_of_range", "receipt.updates"),
        ({"type": "verify", "receipt": RECEIPT | {"losses_sha256": "no"}}, "wrong_type", "receipt.losses_sha256"),
        ({"type": "verify", "receipt": RECEIPT | {"unrolled_receipt": 3}}, "wrong_type", "receipt.unrolled_receipt"),
        ({"type": "verify", "receipt": RECEIPT | {"surprise": 1}}, "unknown_field", "receipt.surprise"),
        ({"type": "verify", "receipt": RECEIPT | {"changes": RECEIPT["changes"][::-1]}}, "conflict", "receipt.changes"),
        (
            {"type": "verify", "receipt": RECEIPT | {"recipe": {"weights": "0123456789abcdef"}}},
            "unknown_model",
            "recipe.weights",
        ),
        ({"type": "replay"}, "unknown_type", "type"),
        ({}, "missing", "type"),
    ],
)
def test_what_is_no_receipt_is_refused_by_name_and_the_connection_stays(
    server: Server, message: dict[str, Any], code: str, field: str
) -> None:
    with verifier(server) as socket:
        error = said(socket, **message)[-1]
        assert (error["type"], error["code"], error["field"]) == ("error", code, field)
        assert said(socket, type="verify", receipt=RECEIPT)[-1]["equal"]


def test_a_replay_can_be_cancelled_at_any_moment_and_another_begun(server: Server) -> None:
    long = RECEIPT | {"recipe": HEAVY, "changes": [], "updates": PROVEN}
    with verifier(server) as socket:
        socket.send(json.dumps({"type": "verify", "receipt": long}))
        assert json.loads(socket.recv(PATIENCE))["type"] == "progress"
        assert next(each for each in said(socket, type="verify", receipt=long) if each["type"] == "error")
        socket.send('{"type": "cancel"}')
        while (heard := json.loads(socket.recv(PATIENCE)))["type"] == "progress":
            pass
        assert heard["type"] == "cancelled"
        assert said(socket, type="verify", receipt=RECEIPT)[-1]["equal"]


def test_a_replay_ends_with_its_connection_and_leaves_others_their_turns(server: Server) -> None:
    long = RECEIPT | {"recipe": HEAVY, "changes": [], "updates": PROVEN}
    with viewer(server.ws) as one:
        one.open(pace=20)
        with verifier(server) as socket:
            socket.send(json.dumps({"type": "verify", "receipt": long}))
            assert json.loads(socket.recv(PATIENCE))["type"] == "progress"
            one.updates(10)
            made_by_then = server.metric("unrolled_updates_total")
            assert made_by_then > 0
        one.send(type="pause")
        gone = 'unrolled_websockets{route="/ws/verify"}'
        eventually(lambda: server.metric(gone) == 0, PATIENCE, "its end is noticed")
        quiet = 0.0

        def is_quiet() -> bool:
            nonlocal quiet
            before, quiet = quiet, server.metric("unrolled_updates_total")
            return isinstance(one.kept(), bytes) and quiet == before

        eventually(is_quiet, PATIENCE, "what was under way is made")
        for _ in range(10):
            one.send(type="step")
            one.updates(1)
        assert server.metric("unrolled_updates_total") == quiet + 10, "nothing is made but what is asked for"


@pytest.mark.parametrize(("who", "text"), EXAMPLES, ids=[text[:40] for _, text in EXAMPLES])
def test_every_example_of_a_replay_in_the_protocol_is_a_message(who: str, text: str) -> None:
    (read_from_verifier if who == "verifier" else to_verifier).validate_json(text)


def test_every_message_of_a_replay_has_an_example_in_the_protocol() -> None:
    shown = {json.loads(text)["type"] for _, text in EXAMPLES}
    assert shown == {"verify", "cancel", "progress", "verdict", "cancelled"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_verify_in_a_terminal_says_equal_and_exits_with_0(folder: Path) -> None:
    (folder / "run.safetensors").write_bytes(CHECKPOINT.to_bytes())
    receipt = run("receipt", "run.safetensors")
    assert json.loads(receipt.stdout) == RECEIPT
    (folder / "receipt.json").write_text(receipt.stdout)
    result = run("verify", "receipt.json")
    assert result.exit_code == 0, result.output
    assert "equal to the last bit" in result.stdout
    assert "10 of 10 updates" in result.stdout


def test_verify_in_a_terminal_says_not_equal_and_which_versions_differ_and_exits_with_1(folder: Path) -> None:
    forged = RECEIPT | {"losses_sha256": "0" * 64, "versions": RECEIPT["versions"] | {"torch": "1.0"}}
    (folder / "receipt.json").write_text(json.dumps(forged))
    result = run("verify", "receipt.json")
    assert result.exit_code == 1
    assert "not equal" in result.stdout
    assert "torch: the receipt's is 1.0" in result.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Invalid JSON"),
        (json.dumps(RECEIPT | {"updates": 0}), "updates: Input should be greater than or equal to 1"),
        (json.dumps(RECEIPT | {"changes": RECEIPT["changes"][::-1]}), "in order"),
        (" " * 200_000, "at most"),
        ("not a receipt", "`unrolled receipt` writes one of a run's file"),
    ],
    ids=["json", "updates", "changes", "large", "other"],
)
def test_verify_in_a_terminal_says_what_is_wrong_with_a_file_and_exits_with_2(
    folder: Path, text: str, says: str
) -> None:
    (folder / "receipt.json").write_text(text)
    result = run("verify", "receipt.json")
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_receipt_is_strict_about_what_it_holds() -> None:
    with pytest.raises(ValidationError):
        Receipt.model_validate_json(json.dumps(RECEIPT | {"updates": "10"}))
