"""/ws/train against a real server process: every promise of the contract that a socket can show."""

import base64
import json
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.numpy
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from app.live.pacing import Timing
from app.live.playback import KEEP_UPDATES
from app.protocol.train import MAX_AFTER
from app.serving.server import GRACE_SECONDS, PING_SECONDS
from app.serving.wire import CLOSE_SECONDS
from model.checkpoint import FORMAT, METADATA, Checkpoint
from model.learner import Learner
from model.play import SLOWEST
from model.recipe import Change, Recipe
from tests.conftest import Server, running
from tests.support.absent import without_tensorflow
from tests.support.nursery import World
from tests.support.sockets import closed, eventually, raw_viewer, say
from tests.support.viewers import PATIENCE, TestViewer, timeless, viewer


def sluggishly() -> float:
    return time.monotonic() / 3600


@pytest.fixture(scope="module")
def sluggish(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server by whose clock a second takes an hour: of what is paced, only the first is due in a test's time."""
    world = World(timing=Timing(clock=sluggishly))
    with running(tmp_path_factory.mktemp("sluggish"), world=world) as server:
        yield server


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that lets nobody go who reads or answers nothing, as long as a test takes."""
    with running(tmp_path_factory.mktemp("patient"), world=World(ping_seconds=600, unread_seconds=600)) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


# ---------------------------------------------------------------- a run


def test_a_run_opens_with_its_full_recipe_and_a_checkpoint_and_plays(server: Server) -> None:
    with viewer(server.ws) as one:
        opened = one.open(recipe={"seed": 5}, pace="max")
        assert opened["protocol"] == 1
        assert opened["recipe"] == Recipe(seed=5).model_dump()
        assert opened["update"] == 0
        assert opened["network"]["parameters"] == 1153
        assert opened["network"]["text"].startswith("RNN(")
        assert opened["floors"] == {
            "memoryless": pytest.approx(0.5306, abs=1e-4),
            "no_carry": pytest.approx(0.0611, abs=1e-4),
            "joining": 0.0,
        }
        assert Checkpoint.from_bytes(one.checkpoint).run.update == 0
        updates = one.updates(40)
        assert [update["update"] for update in updates] == list(range(1, len(updates) + 1))


@pytest.mark.parametrize("framework", ["compiled", "torch"])
def test_what_is_sent_is_what_the_learner_makes_to_the_bit(server: Server, framework: str) -> None:
    recipe = {"framework": framework, "cell": "gru", "most_streams": 3, "noise": 0.1}
    with viewer(server.ws) as one:
        one.open(recipe=recipe, pace="max", views=["hidden", "gradient", "after", "graph"])
        sent = one.updates(25)
    learner = Learner(Recipe.model_validate(recipe))
    for message in sent:
        made = learner.advance(frozenset(("hidden", "gradient", "after", "graph")))
        assert np.float32(message["loss"]) == np.float32(made.loss)
        assert message["stream_ids"] == list(made.stream_ids)
        assert message["t"] == made.t.tolist()
        for name in ("input", "target", "prediction", "gradient", "prediction_after"):
            assert np.array(message[name], np.float32).tobytes() == getattr(made, name).tobytes()
        assert message.get("nodes") == made.nodes
        assert ("nodes" in message) is (framework == "torch")
        hidden = np.stack([np.frombuffer(base64.b64decode(stream), np.int8) for stream in message["hidden"]])
        assert made.hidden is not None
        assert np.abs(hidden.reshape(made.hidden.shape) / 127 - made.hidden).max() <= 0.5 / 127 + 1e-6


def test_views_change_as_the_run_goes(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(recipe={"framework": "torch"}, play=False)
        shown = []
        for views in ([], ["graph"], ["hidden", "gradient"], []):
            one.send(type="views", views=views)
            one.send(type="step")
            shown.append(set(one.updates(1)[0]) & {"hidden", "gradient", "nodes", "prediction_after"})
        assert shown == [set(), {"nodes"}, {"hidden", "gradient"}, set()]
        assert one.refusal(type="views", views=["everything"])["code"] == "wrong_type"


def test_all_views_at_20_updates_a_second_take_under_60_kilobytes(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(pace=60, views=["hidden", "gradient", "after", "graph"])
        size = updates = 0
        while updates < 100:
            text = one.socket.recv(PATIENCE)
            made = json.loads(text)["updates"]
            one.seen(made[-1]["update"])
            size += len(text)
            updates += len(made)
    assert 20 * size / updates < 60_000, f"{20 * size / updates:.0f} bytes a second"


def test_the_same_open_twice_gives_identical_updates(server: Server) -> None:
    runs = []
    for _ in range(2):
        with viewer(server.ws) as one:
            one.open(recipe={"cell": "lstm"}, changes=[{"after_update": 3, "learning_rate": 0.1}], pace="max")
            runs.append(timeless(one.updates(30))[:30])
    assert runs[0] == runs[1]


def test_a_run_does_not_play_when_asked_not_to(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(play=False)
        assert one.rests() == 0
        one.send(type="play")
        assert one.updates(1)[0]["update"] == 1


def test_pause_play_and_step(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(play=False)
        for expected in (1, 2, 3):
            one.send(type="step")
            assert [update["update"] for update in one.updates(1)] == [expected]
        assert one.rests() == 3
        one.send(type="play")
        one.updates(3)
        one.send(type="pause")
        one.kept()
        last = one.rests()
        one.send(type="play")
        assert one.updates(1)[0]["update"] == last + 1


def test_a_step_while_playing_pauses(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(pace=60)
        one.updates(3)
        one.send(type="step")
        stepped = Checkpoint.from_bytes(one.kept()).run
        assert stepped.played is not None
        assert not stepped.played.playing
        eventually(lambda: one.kept() == one.kept(), PATIENCE, "the step is made")
        assert one.rests() - stepped.update in (0, 1)


def test_the_server_stays_within_the_window_ahead_of_seen(server: Server) -> None:
    with viewer(server.ws) as one:
        opened = one.open(pace=60)
        while one.next()["updates"][-1]["update"] < 15:
            pass
        assert one.rests() == opened["window"] == 15
        one.seen(15)
        assert one.until("updates")["updates"][0]["update"] == 16


def test_seen_beyond_what_was_made_counts_as_all_that_was_made(server: Server) -> None:
    with viewer(server.ws) as one:
        opened = one.open(pace=60, play=False)
        one.seen(10_000)
        one.send(type="play")
        while one.next()["updates"][-1]["update"] < 15:
            pass
        assert one.rests() == opened["window"] == 15


def test_pace_is_kept_and_can_be_changed(sluggish: Server, server: Server) -> None:
    with viewer(sluggish.ws) as one:
        one.open(pace=10)
        assert one.updates(1)[0]["update"] == 1, "the first is due at once"
        assert one.rests(beside=server.ws) == 1, "and the next in six minutes"
        one.send(type="pace", pace=20)
        assert one.updates(1)[0]["update"] == 2, "so is the first at another pace"
        assert one.rests(beside=server.ws) == 2
    with viewer(server.ws) as one:
        one.open(pace=SLOWEST)
        one.send(type="pace", pace="max")
        one.updates(100)


def test_at_pace_max_updates_share_messages_which_keep_their_distance(sluggish: Server) -> None:
    before = sluggish.metric("unrolled_updates_total")
    with viewer(sluggish.ws) as one:
        opened = one.open(pace="max")
        first = one.next()["updates"]
        whole = before + opened["window"]
        eventually(lambda: sluggish.metric("unrolled_updates_total") == whole, PATIENCE, "all that may be are made")
        one.send(type="checkpoint")  # else the next would come in two minutes
        rest = one.next()  # there is none where the first message had them all
        if isinstance(rest, bytes):
            rest = {"updates": []}
        else:
            assert isinstance(one.next(), bytes)
    updates = [update["update"] for update in first + rest["updates"]]
    assert updates == list(range(1, opened["window"] + 1))


def test_a_change_is_told_with_a_checkpoint_before_any_update_made_with_it(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(pace="max")
        one.updates(10)
        one.send(type="change", learning_rate=0.005, carry_state=False)
        changed = one.until("changed")
        assert changed == {
            "type": "changed", "after_update": changed["after_update"], "learning_rate": 0.005, "carry_state": False,
        }  # fmt: skip
        checkpoint = Checkpoint.from_bytes(one.next())
        assert checkpoint.run.update == changed["after_update"]
        assert checkpoint.run.changes[-1].fields() == {"learning_rate": 0.005, "carry_state": False}
        first = one.until("updates")["updates"][0]
        assert first["update"] == changed["after_update"] + 1
    learner = Learner(
        Recipe(), changes=[Change(after_update=changed["after_update"], learning_rate=0.005, carry_state=False)]
    )
    while learner.update < changed["after_update"]:
        learner.advance()
    assert np.float32(learner.advance().loss) == np.float32(first["loss"])


def test_a_change_waits_for_the_update_that_it_names(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(pace=60, play=False)
        for rate in (0.1, 0.005):
            one.send(type="change", learning_rate=rate, after_update=30)
            assert one.until("changed") == {"type": "changed", "after_update": 30, "learning_rate": rate}
            assert Checkpoint.from_bytes(one.next()).run.update == 0
        one.send(type="play")
        made = one.updates(40)[:40]
    learner = Learner(Recipe(), changes=[Change(after_update=30, learning_rate=0.005)])
    wanted = [np.float32(learner.advance().loss) for _ in range(40)]
    assert [np.float32(update["loss"]) for update in made] == wanted


def test_a_change_at_an_update_that_has_passed_is_refused(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(pace="max")
        one.updates(20)
        refused = one.refusal(type="change", learning_rate=0.005, after_update=3)
        assert (refused["code"], refused["field"]) == ("out_of_range", "after_update")
        assert "not 3" in refused["detail"]
        assert one.refusal(type="change", learning_rate=0.005, after_update=-1)["code"] == "out_of_range"


def test_rapid_changes_are_merged(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(play=False)
        for rate in range(1, 41):
            one.send(type="change", learning_rate=rate / 1000)
        told = []
        while not told or told[-1]["learning_rate"] != 0.04:
            told.append(one.until("changed"))
            checkpoint = Checkpoint.from_bytes(one.next())
        assert len(checkpoint.run.changes) == 1, "at one update, one entry"


def test_a_checkpoint_comes_unasked_at_least_every_500_updates(start_server: Callable[..., Any]) -> None:
    with start_server(world=World(timing=Timing(apart_seconds=0))) as server, viewer(server.ws) as one:
        one.open(pace="max")
        made = one.updates(1600)
        at = [update for update, _ in one.unasked]
        assert len(at) >= 2
        assert all(0 < later - earlier < 500 + 256 for earlier, later in zip([0, *at], at, strict=False))
        update, checkpoint = one.unasked[-1]
        assert Checkpoint.from_bytes(checkpoint).run.update == update
        with viewer(server.ws) as other:
            other.resume(checkpoint, after=update, pace="max")
            further = other.updates(50)
    wanted = [each for each in timeless(made) if update < each["update"] <= update + 50]
    assert timeless(further)[: len(wanted)] == wanted


def test_no_checkpoint_comes_unasked_right_after_another_however_fast_a_run_is(
    start_server: Callable[..., Any],
) -> None:
    hours = Timing(keep_seconds=10_000, apart_seconds=10_000)
    with start_server(world=World(timing=hours)) as server, viewer(server.ws) as one:
        one.open(pace="max")
        one.updates(2 * KEEP_UPDATES)
        assert one.unasked == []


def test_a_checkpoint_comes_unasked_at_least_every_5_seconds(start_server: Callable[..., Any]) -> None:
    assert Timing().keep_seconds == 5
    with (
        start_server(world=World(timing=Timing(keep_seconds=0.2))) as server,
        viewer(server.ws) as one,
        viewer(server.ws) as other,
    ):
        one.open(play=False)
        one.send(type="step")
        one.updates(1)
        other.open(pace=60)
        while len(other.unasked) < 3:
            other.updates(1)
        one.send(type="ping")
        assert one.next() == {"type": "pong"}
        assert [update for update, _ in one.unasked] == [1], "also of a run that rests since, and once"


def test_a_change_log_is_replayed(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(pace=60)
        one.updates(4)
        one.send(type="change", learning_rate=0.1)
        after = one.until("changed")["after_update"]
        one.next()
        live = one.updates(10)
    with viewer(server.ws) as one:
        opened = one.open(changes=[{"after_update": after, "learning_rate": 0.1}], pace="max")
        assert opened["changes"] == [{"learning_rate": 0.1, "after_update": after}]
        replayed = one.updates(live[-1]["update"])
    assert timeless(replayed)[live[0]["update"] - 1 : live[-1]["update"]] == timeless(live)


def test_stop_after_finishes_and_play_goes_on(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(recipe={"stop_after": 7}, pace="max")
        updates = []
        while True:
            message = one.next()
            if message["type"] == "finished":
                break
            updates += message["updates"]
        assert message == {"type": "finished", "update": 7}
        assert [update["update"] for update in updates] == [1, 2, 3, 4, 5, 6, 7]
        one.seen(7)
        assert one.rests() == 7
        one.send(type="play")
        assert one.updates(1)[0]["update"] == 8


def test_divergence_is_told_with_the_last_good_checkpoint_and_pauses(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(recipe={"optimizer": "sgd", "learning_rate": 1.0}, pace="max")
        diverged = one.until("diverged")
        good = one.next()
        assert diverged["tensor"]
        assert Checkpoint.from_bytes(good).run.update == diverged["update"] - 1
        assert one.rests() == diverged["update"] - 1
        one.resume(good, play=False)
        one.send(type="change", learning_rate=0.0001)
        assert one.until("changed")["after_update"] == diverged["update"] - 1


def test_a_further_open_ends_the_run_and_begins_another(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(recipe={"seed": 1}, pace="max")
        first = timeless(one.updates(5))[:5]
        one.open(recipe={"seed": 2}, pace="max")
        second = timeless(one.updates(5))[:5]
        assert second[0]["update"] == 1
        assert second != first
        one.open(recipe={"seed": 1}, pace="max")
        assert timeless(one.updates(5))[:5] == first


def test_a_ping_is_answered_at_any_time_and_changes_nothing(server: Server) -> None:
    with viewer(server.ws) as one:
        one.send(type="ping")
        assert one.next() == {"type": "pong"}
        one.open(play=False)
        one.send(type="open", resume=True)
        one.send(type="ping")
        assert one.next() == {"type": "pong"}
        one.socket.send(one.checkpoint)
        assert one.opened()["update"] == 0


# ---------------------------------------------------------------- a checkpoint on request


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_checkpoint_on_request_is_of_the_newest_update_sent_and_resumes_to_the_bit(server: Server, cell: str) -> None:
    recipe = {"cell": cell, "most_streams": 3}
    with viewer(server.ws) as one:
        one.open(recipe=recipe, pace="max")
        newest = one.updates(10)[-1]["update"]
        one.send(type="checkpoint")
        while isinstance(heard := one.next(), dict):
            newest = heard["updates"][-1]["update"]
        assert Checkpoint.from_bytes(heard).run.update == newest
        one.seen(newest)
        rest = one.updates(20)
    with viewer(server.ws) as one:
        assert one.resume(heard, pace="max")["update"] == newest
        again = one.updates(20)
    assert rest[0]["update"] == again[0]["update"] == newest + 1
    assert timeless(again)[:20] == timeless(rest)[:20]


def test_asking_for_a_checkpoint_leaves_the_run_as_it_is(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(recipe={"seed": 9}, pace="max")
        alone = timeless(one.updates(12))[:12]
    with viewer(server.ws) as one:
        one.open(recipe={"seed": 9}, play=False)
        disturbed = []
        for update in range(1, 13):
            one.send(type="step")
            disturbed += one.updates(1)
            one.send(type="checkpoint")
            assert Checkpoint.from_bytes(one.next()).run.update == update
        assert one.rests() == 12, "it is still paused"
    assert timeless(disturbed) == alone


def test_a_checkpoint_of_no_run_is_refused(server: Server) -> None:
    with viewer(server.ws) as one:
        error = one.refusal(type="checkpoint")
        assert (error["code"], error["field"]) == ("not_open", "type")
        one.send(type="open", resume=True)
        assert one.refusal(type="checkpoint")["code"] == "checkpoint_expected"
        one.open(play=False)
        one.send(type="checkpoint")
        assert one.next() == one.checkpoint


def test_a_flood_of_requests_for_checkpoints_is_answered_in_order_and_stops_no_other(patient: Server) -> None:
    with viewer(patient.ws) as one, viewer(patient.ws) as other:
        other.open(pace=60)
        other.updates(2)
        one.open(recipe={"cell": "lstm", "hidden_size": 128}, play=False)
        for _ in range(50):
            one.send(type="checkpoint")
        one.send(type="step")
        other.updates(20)  # although the answers are more than fit on their way, and nobody takes them
        for _ in range(50):
            assert one.next() == one.checkpoint
        assert one.updates(1)[0]["update"] == 1


# ---------------------------------------------------------------- resume


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_run_resumes_to_the_bit_on_another_connection(server: Server, cell: str) -> None:
    recipe = {"cell": cell, "most_streams": 3}
    with viewer(server.ws) as one:
        one.open(recipe=recipe, pace="max")
        whole = one.updates(60)
    with viewer(server.ws) as one:
        one.open(recipe=recipe, pace=60)
        one.updates(8)
        one.send(type="change", learning_rate=0.02)
        one.until("changed")
        checkpoint = one.next()
    at = Checkpoint.from_bytes(checkpoint).run.update
    with viewer(server.ws) as one:
        opened = one.resume(checkpoint, after=at + 20, pace="max")
        assert opened["update"] == at
        assert opened["recipe"] == Recipe.model_validate(recipe).model_dump()
        rest = one.updates(10)
    assert rest[0]["update"] == at + 21
    assert timeless(rest)[:10] == timeless(whole)[at + 20 : at + 30]


def test_after_out_of_bounds_is_refused(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(play=False)
        checkpoint = one.checkpoint
        for after in (MAX_AFTER + 1, 2**53):
            one.send(type="open", resume=True, after=after)
            one.socket.send(checkpoint)
            error = one.until("error")
            assert (error["code"], error["field"]) == ("out_of_range", "after")
            assert str(MAX_AFTER) in error["detail"]
            assert str(after) in error["detail"]
        one.resume(checkpoint, after=MAX_AFTER, play=False)


def test_a_run_resumed_at_its_end_is_told_that_it_finished(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(recipe={"stop_after": 5}, play=False)
        checkpoint = one.checkpoint
        one.resume(checkpoint, after=5)
        assert one.next() == {"type": "finished", "update": 5}
        assert one.rests() == 5
        one.send(type="play")
        assert one.updates(1)[0]["update"] == 6


def test_a_change_while_updates_are_made_up_comes_after_those_that_were_seen(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(pace="max")
        checkpoint = one.checkpoint
        seen = timeless(one.updates(600))[:600]
    with viewer(server.ws) as other:
        other.send(type="open", resume=True, after=600, pace="max")
        other.socket.send(checkpoint)
        other.send(type="change", learning_rate=0.3)
        other.send(type="change", learning_rate=0.1, after_update=300)
        other.send(type="checkpoint")
        other.opened()
        changed = other.until("changed")
        assert changed["after_update"] == 600
        assert Checkpoint.from_bytes(other.next()).run.changes == (Change(after_update=600, learning_rate=0.3),)
        error = other.until("error")
        assert (error["code"], error["field"]) == ("out_of_range", "after_update")
        while not isinstance(asked := other.next(), bytes):
            assert asked["updates"][0]["update"] > 600
        assert Checkpoint.from_bytes(asked).run.update >= 600, "not before it is made up"
        other.send(type="seen", update=600)
        after = other.updates(1)[0]
    learner = Learner(Recipe(), changes=[Change(after_update=600, learning_rate=0.3)])
    made = [learner.advance() for _ in range(after["update"])]
    assert [np.float32(update.loss) for update in made[:600]] == [np.float32(update["loss"]) for update in seen]
    assert np.float32(made[-1].loss) == np.float32(after["loss"])


def test_the_answer_to_an_open_has_its_tag(server: Server) -> None:
    with viewer(server.ws) as one:
        assert one.open(play=False)["tag"] is None
        for tag, recipe in enumerate([{"seed": 1}, {"seed": -1}, {"weights": "0123456789abcdef"}, {"seed": 2}]):
            one.send(type="open", tag=tag, recipe=recipe, play=False)
        assert one.opened()["tag"] == 0
        assert one.until("error")["tag"] == 1
        assert one.until("error")["tag"] == 2
        assert one.opened()["tag"] == 3
        one.send(type="open", tag=4, resume=True)
        one.send(type="nonsense")
        assert one.until("error")["tag"] is None, "the frame is still to come"
        one.socket.send(b"nothing")
        assert one.until("error")["tag"] == 4
        assert one.refusal(type="change", learning_rate=-1)["tag"] is None
        one.send(type="open", tag=5, recipe={"seed": 10**400})
        assert one.until("error")["tag"] == 5, "whatever else is in the message"


def test_an_open_behind_an_announced_one_refuses_that_and_has_an_answer_of_its_own(server: Server) -> None:
    with viewer(server.ws) as one:
        one.send(type="open", tag=1, resume=True)
        one.send(type="open", tag=2, play=False)
        refused = one.until("error")
        assert (refused["code"], refused["tag"]) == ("checkpoint_expected", 1)
        assert one.opened()["tag"] == 2


def test_what_was_seen_of_the_run_before_does_not_end_an_announcement(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(play=False)
        one.send(type="open", tag=1, resume=True)
        one.send(type="nonsense")  # `seen` stands in line behind it
        one.seen(0)
        one.socket.send(one.checkpoint)
        assert one.until("error")["code"] == "unknown_type"
        assert one.opened()["tag"] == 1


def test_an_endless_run_resumed_at_its_start_is_not_told_that_it_finished(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(play=False)
        one.resume(one.checkpoint, after=0, play=True)
        assert one.next()["type"] == "updates"


def test_a_checkpoint_carries_how_the_run_was_played(server: Server) -> None:
    with viewer(server.ws) as one:
        opened = one.open(pace=7, views=["graph", "gradient"])
        assert opened["played"] == {"pace": 7.0, "playing": True, "views": ["gradient", "graph"]}
        one.updates(2)
        one.send(type="pace", pace="max")
        one.send(type="pause")
        one.send(type="views", views=["hidden"])
        one.send(type="checkpoint")
        while not isinstance(checkpoint := one.next(), bytes):
            pass
    with viewer(server.ws) as other:
        opened = other.resume(checkpoint)
        assert opened["played"] == {"pace": "max", "playing": False, "views": ["hidden"]}
        assert other.rests() == Checkpoint.from_bytes(checkpoint).run.update, "as it did"
        other.send(type="step")
        assert "hidden" in other.updates(1)[0]
        opened = other.resume(checkpoint, pace=20, play=True, views=[])
        assert opened["played"] == {"pace": 20.0, "playing": True, "views": []}
        assert "hidden" not in other.updates(1)[0]


def rewritten(checkpoint: bytes, **run: Any) -> bytes:
    """A checkpoint whose header says something else of its run."""
    good = Checkpoint.from_bytes(checkpoint)
    said = json.loads(good.run.model_dump_json()) | run
    return safetensors.numpy.save(dict(good.tensors), {METADATA: json.dumps(said)})


def test_a_checkpoint_of_other_versions_goes_on_and_says_that_bits_are_not_promised(server: Server) -> None:
    with viewer(server.ws) as one:
        here = one.open(play=False)
        assert here["earlier"] == []
        same = rewritten(one.checkpoint, versions=here["versions"] | {"unrolled": "0.0.1"})
        assert one.resume(same)["earlier"] == [], "our own releases keep the numbers"
        elsewhere = here["versions"] | {"torch": "2.9.0", "processor": "aarch64 DEFAULT"}
        opened = one.resume(rewritten(one.checkpoint, versions=elsewhere))
        assert opened["earlier"] == [{"until_update": 0, "versions": elsewhere}]
        assert opened["versions"] == here["versions"]
        one.send(type="play")
        one.updates(1)
        one.send(type="pause")
        one.send(type="checkpoint")
        while not isinstance(checkpoint := one.next(), bytes):
            pass
        assert one.resume(checkpoint)["earlier"] == opened["earlier"], "it stays with the run"


def test_a_checkpoint_of_an_unknown_format_is_refused_with_a_sentence(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(play=False)
        future = rewritten(one.checkpoint, format=FORMAT + 1, what_nobody_knows_yet=[1])
        one.send(type="open", resume=True)
        one.socket.send(future)
        error = one.until("error")
        assert error["code"] == "bad_checkpoint"
        assert "version 4; versions 1, 2 and 3 can be read here" in error["detail"]


def test_a_checkpoint_that_is_none_is_refused_and_the_old_run_goes_on(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(pace=60)
        one.updates(3)
        one.send(type="open", resume=True)
        one.socket.send(b"not a checkpoint")
        error = one.until("error")
        assert error["code"] == "bad_checkpoint"
        assert one.updates(2)


def test_a_binary_frame_comes_only_when_announced(server: Server) -> None:
    with viewer(server.ws) as one:
        one.socket.send(b"\x00\x01")
        assert one.until("error")["code"] == "checkpoint_unexpected"
        one.send(type="open", resume=True)
        one.send(type="play")
        assert one.until("error")["code"] == "checkpoint_expected"
        assert one.open(play=False)


# ---------------------------------------------------------------- what is refused

BAD = [
    ("{", "broken_json", ""),
    ("[]", "wrong_type", ""),
    ("{}", "missing", "type"),
    ('{"type":"dance"}', "unknown_type", "type"),
    ('{"type":"open","recipe":{"seed":NaN}}', "wrong_type", "recipe.seed"),
    ('{"type":"open","recipe":{"learning_rate":1e999}}', "not_finite", "recipe.learning_rate"),
    ('{"type":"open","recipe":{"hidden_size":129}}', "out_of_range", "recipe.hidden_size"),
    ('{"type":"open","recipe":{"hidden_size":true}}', "wrong_type", "recipe.hidden_size"),
    ('{"type":"open","recipe":{"surprise":1}}', "unknown_field", "recipe.surprise"),
    ('{"type":"open","recipe":{"shortest":5}}', "conflict", "recipe.shortest, recipe.longest"),
    ('{"type":"open","recipe":{"weights":"nosuchmodel"}}', "unknown_model", "recipe.weights"),
    (
        '{"type":"open","recipe":{"weights":"sine","cell":"gru"}}',
        "conflict",
        "recipe.weights, recipe.cell, recipe.hidden_size",
    ),
    ('{"type":"open","pace":0.1}', "out_of_range", "pace"),
    ('{"type":"open","pace":"fast"}', "out_of_range", "pace"),
    ('{"type":"open","views":["everything"]}', "wrong_type", "views.0"),
    ('{"type":"open","changes":[{"after_update":3,"seed":2}]}', "unknown_field", "changes.0.seed"),
    (
        '{"type":"open","changes":[{"after_update":3,"train":false},{"after_update":2,"train":true}]}',
        "conflict",
        "changes",
    ),
    ('{"type":"open","after":3}', "conflict", "after"),
    ('{"type":"seen","update":-1}', "out_of_range", "update"),
    ('{"type":"seen","update":"1"}', "wrong_type", "update"),
    ('{"type":"pace","pace":61}', "out_of_range", "pace"),
    ('{"type":"change"}', "missing", ""),
    ('{"type":"change","seed":2}', "unknown_field", "seed"),
    ('{"type":"change","learning_rate":2}', "out_of_range", "learning_rate"),
    ('{"type":"checkpoint","after":1}', "unknown_field", "after"),
    ('{"type":"play","surprise":1}', "unknown_field", "surprise"),
]


@pytest.mark.parametrize(("text", "code", "field"), BAD, ids=[text for text, _, _ in BAD])
def test_a_bad_message_is_refused_by_name_and_nothing_is_disturbed(
    server: Server, text: str, code: str, field: str
) -> None:
    with viewer(server.ws) as one:
        one.open(pace=60)
        before = one.updates(1)[-1]["update"]
        one.socket.send(text)
        error = one.until("error")
        assert (error["code"], error["field"]) == (code, field), error
        assert len(json.dumps(error)) < 500
        assert one.updates(1)[0]["update"] > before


def test_the_first_message_must_be_open(server: Server) -> None:
    with viewer(server.ws) as one:
        assert one.refusal(type="play")["code"] == "not_open"
        assert one.open(play=False)


def test_a_long_value_is_not_echoed(server: Server) -> None:
    with viewer(server.ws) as one:
        error = one.refusal(type="open", recipe={"cell": "x" * 100_000, "y" * 100_000: 1})
        assert len(json.dumps(error)) < 1000


def test_a_framework_that_is_not_installed_is_refused_with_the_way_to_install_it(
    tmp_path: Path,
) -> None:
    with running(tmp_path, command=without_tensorflow) as server, viewer(server.ws) as one:
        one.open(play=False)
        checkpoint = one.checkpoint
        refused = one.refusal(type="open", recipe={"framework": "tensorflow"})
        assert (refused["code"], refused["field"]) == ("not_installed", "recipe.framework")
        assert "pip install 'unrolled[tensorflow]'" in refused["detail"]
        one.resume(checkpoint)  # the connection stays
        schema = httpx.get(server.url + "/recipe/schema").json()
    assert schema["properties"]["framework"]["missing"] == {"tensorflow": "pip install 'unrolled[tensorflow]'"}


def test_a_framework_that_is_not_offered_is_refused_by_name_and_the_page_is_told(
    server: Server, start_server: Callable[..., Any]
) -> None:
    with viewer(server.ws) as elsewhere:
        elsewhere.open(recipe={"framework": "torch"}, play=False)
    with start_server(frameworks="compiled") as small, viewer(small.ws) as one:
        one.open(play=False)
        own = one.checkpoint
        for framework in ("torch", "tensorflow"):
            refused = one.refusal(type="open", recipe={"framework": framework})
            assert (refused["code"], refused["field"]) == ("not_offered", "recipe.framework")
            assert refused["detail"].endswith(f"one that this server offers (compiled), not {framework}")
        one.send(type="open", resume=True)
        one.socket.send(elsewhere.checkpoint)
        refused = one.until("error")
        assert (refused["code"], refused["field"]) == ("not_offered", "checkpoint")
        assert refused["detail"].endswith("(compiled), not torch")
        assert one.resume(own)["recipe"]["framework"] == "compiled", "the connection stays"
        told = httpx.get(small.url + "/recipe/schema").json()["properties"]["framework"]
    assert told["not_offered"] == ["torch", "tensorflow"]
    assert told["missing"] == {
        "torch": "UNROLLED_FRAMEWORKS=compiled,torch",
        "tensorflow": "UNROLLED_FRAMEWORKS=compiled,tensorflow",
    }


def test_a_run_of_a_format_whose_torch_was_numpy_goes_on_where_compiled_alone_is_offered(
    start_server: Callable[..., Any],
) -> None:
    old = (Path(__file__).parents[1] / "model" / "formats" / "checkpoint-2.safetensors").read_bytes()
    with start_server(frameworks="compiled") as small, viewer(small.ws) as one:
        opened = one.resume(old, play=True, pace="max")
        assert (opened["recipe"]["framework"], opened["update"]) == ("compiled", 12)
        assert one.updates(3)[0]["update"] == 13


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"most_streams": 2}, "recipe.most_streams"), ({"cell": "lstm"}, "recipe.cell"), ({"cell": "gru"}, "recipe.cell")],
)
def test_what_tensorflow_cannot_do_is_refused_by_name(server: Server, fields: dict[str, object], named: str) -> None:
    with viewer(server.ws) as one:
        refused = one.refusal(type="open", recipe={"framework": "tensorflow", **fields})
    assert (refused["code"], refused["field"]) == ("conflict", f"{named}, recipe.framework")


def test_a_full_change_log_is_told(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(changes=[{"after_update": i, "train": True} for i in range(1, 1001)], play=False)
        assert one.refusal(type="change", train=False)["code"] == "changes_full"


def test_a_message_of_many_mistakes_costs_no_more_than_one(server: Server) -> None:
    mistakes = ["1," * 60_000 + "1", "{}," * 40_000 + "{}"]
    with viewer(server.ws) as one, viewer(server.ws) as other:
        other.open(pace=20)
        for name, mistake in zip(("views", "changes"), mistakes, strict=True):
            one.socket.send(f'{{"type":"open","{name}":[{mistake}]}}')
            assert one.until("error")["field"].startswith(name)
        one.socket.send('{"type":"open","views":[' + "1," * 300_000 + "1]}")
        assert one.until("error")["code"] == "out_of_range"
        assert one.open(play=False), "the connection stays open"
        assert other.updates(3)


def test_a_damaged_model_is_unknown(start_server: Any, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "0123456789abcdef.safetensors").write_bytes(b"junk")
    with start_server(models_dir=tmp_path / "models") as server:
        with viewer(server.ws) as one:
            error = one.refusal(type="open", recipe={"weights": "0123456789abcdef"})
            assert (error["code"], error["field"]) == ("unknown_model", "recipe.weights")
        assert httpx.get(server.url + "/models/0123456789abcdef").status_code == 404
        assert "Traceback" not in server.log.read_text()


# ---------------------------------------------------------------- who may come in


def test_a_foreign_origin_is_accepted_and_closed_with_1008(server: Server) -> None:
    assert closed(server.ws, origin="https://evil.example")[0] == 1008


def test_the_own_origin_is_let_in_also_behind_a_tls_proxy(server: Server) -> None:
    for origin in (server.url, server.url.replace("http", "https")):
        with viewer(server.ws, origin=origin) as one:
            assert one.open(play=False)


def test_a_viewer_too_many_is_accepted_and_closed_with_1013(start_server: Any) -> None:
    with start_server(max_viewers=2, allowed_origins="https://school.example") as small:
        with viewer(small.ws, origin="https://school.example") as one, viewer(small.ws) as two:
            one.open(play=False)
            two.open(play=False)
            assert closed(small.ws)[0] == 1013
        eventually(lambda: small.metric("unrolled_viewers") == 0, 20, "viewers leave")
        with viewer(small.ws) as three:
            three.open(play=False)


def test_a_viewer_that_sends_nothing_for_the_idle_time_is_let_go(start_server: Any) -> None:
    with start_server(idle_seconds=0.5) as server:
        assert closed(server.ws) == (1001, "nothing came for 0.5 s; connect again to go on")


def test_too_large_a_message_is_closed_with_1009(server: Server) -> None:
    with connect(server.ws) as one:
        one.send("x" * (2**20 + 1))
        with pytest.raises(ConnectionClosed) as caught:
            one.recv(PATIENCE)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


# ---------------------------------------------------------------- viewers who stop, vanish or stay


def stopped_reader(server: Server) -> socket.socket:
    """A viewer that acknowledges all that could ever come, and reads nothing."""
    raw = raw_viewer(server)
    say(raw, type="open", pace="max", views=["hidden"], recipe={"hidden_size": 128, "longest": 6, "samples": 20})
    say(raw, type="seen", update=2**53)
    return raw


def test_a_stopped_reader_does_not_stop_another(patient: Server) -> None:
    before = patient.metric("unrolled_viewers")
    with viewer(patient.ws) as one, stopped_reader(patient):
        one.open(pace=60)
        eventually(lambda: patient.metric("unrolled_unsent_bytes") > 0, PATIENCE, "it is stuck")
        assert one.updates(40)[-1]["update"] >= 40
        assert patient.metric("unrolled_viewers") == before + 2, "it still is"


def test_a_stopped_reader_is_let_go(start_server: Callable[..., Any]) -> None:
    with start_server(world=World(ping_seconds=600, unread_seconds=1)) as server:
        with stopped_reader(server):
            eventually(lambda: "went" in server.log.read_text(), PATIENCE, "it is let go")
            assert server.metric("unrolled_viewers") == 0, "and its place is free"
        assert "Traceback" not in server.log.read_text()


def test_a_viewer_that_vanishes_is_freed_within_10_seconds(start_server: Callable[..., Any]) -> None:
    assert 2 * PING_SECONDS + CLOSE_SECONDS < 10
    with start_server(world=World(ping_seconds=0.3, unread_seconds=600)) as server, raw_viewer(server) as raw:
        say(raw, type="open", play=False)
        # it neither closes nor answers pings, as if its network were gone
        eventually(lambda: "went" in server.log.read_text(), PATIENCE, "the vanished viewer is freed")
        assert server.metric("unrolled_viewers") == 0


def test_a_viewer_that_vanishes_in_a_flood_leaves_no_traceback(server: Server) -> None:
    before = server.metric("unrolled_viewers")
    for _ in range(5):
        raw = raw_viewer(server)
        say(raw, type="open", pace="max", recipe={"cell": "lstm", "hidden_size": 128})
        for _ in range(120):
            say(raw, type="change", learning_rate=0.01)
            say(raw, type="pause")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
    eventually(lambda: server.metric("unrolled_viewers") == before, 20, "they are freed")
    assert "Traceback" not in server.log.read_text()


def test_sigterm_tells_viewers_1012_and_finishes_predictions(start_server: Any) -> None:
    with (
        start_server(world=World(grace_seconds=600)) as server,
        viewer(server.ws) as one,
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as asking,
    ):
        one.open(pace=20)
        one.updates(3)
        body = json.dumps({"sequences": [[0.1] * 10_000] * 4}).encode()
        asking.sendall(
            b"POST /predict HTTP/1.1\r\nHost: unrolled\r\nContent-Type: application/json\r\n"
            b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        assert asking.recv(1000).startswith(b"HTTP/1.1 100"), "the prediction is under way"
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                one.next()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1012
        asking.sendall(body)
        assert asking.recv(1000).startswith(b"HTTP/1.1 200")
        server.process.wait(PATIENCE)  # since nothing else is under way


def test_sigterm_ends_within_5_seconds_whoever_reads_nothing(start_server: Any) -> None:
    assert GRACE_SECONDS + CLOSE_SECONDS <= 5
    world = World(grace_seconds=0.2, ping_seconds=600, unread_seconds=600)
    with start_server(world=world) as server, stopped_reader(server):
        eventually(lambda: server.metric("unrolled_unsent_bytes") > 0, PATIENCE, "it is stuck")
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(PATIENCE)


def test_twenty_viewers_get_the_same_numbers_as_one_alone(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(recipe={"cell": "gru"}, pace="max")
        alone = timeless(one.updates(20))[:20]
    with ExitStack() as stack:
        viewers = [stack.enter_context(viewer(server.ws)) for _ in range(20)]
        for number, one in enumerate(viewers):
            one.send(type="open", pace="max", recipe={"cell": "gru", "seed": 1 + number % 2, "longest": 3})

        def numbers(one: TestViewer) -> list[dict[str, Any]]:
            one.opened()
            return timeless(one.updates(20))[:20]

        with ThreadPoolExecutor(20) as readers:  # who is read late answers no ping, and is let go
            came = list(readers.map(numbers, viewers))
    assert came[::2] == [alone] * 10
