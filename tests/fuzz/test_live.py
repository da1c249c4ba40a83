"""Hostile checkpoints over /ws/train: what each costs the server, and what the other viewers feel of it."""

import json
import os
import statistics
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Self

import httpx
import numpy as np
import pytest

from app.protocol.train import MAX_AFTER
from bench.processes import cpu_seconds
from model.checkpoint import MAX_BYTES, MAX_HEADER_BYTES, Checkpoint
from tests.conftest import Server, running
from tests.fuzz.blobs import Parts, good, heavy, packed
from tests.support.cost import Told
from tests.support.nursery import World
from tests.support.sockets import eventually
from tests.support.viewers import PATIENCE, TestViewer, viewer

MOST_SECONDS = 0.1
REPEATS = 10  # of each frame: the kernel counts processor time in hundredths of a second
PACE = 20
WATCHED = 60  # updates of each that looks on
BOMB = MAX_AFTER  # updates to make again, of the heaviest recipe
HEAVY_SECONDS = 0.2
"""What one of them is told to cost, on any machine: three minutes are more than any test here waits for."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    world = World(price=Told({"lstm": HEAVY_SECONDS}), ping_seconds=3600)
    with running(tmp_path_factory.mktemp("heavy"), world=world) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


def altered(change: Callable[[Parts], None], blob: bytes | None = None) -> bytes:
    parts = Parts.of(heavy() if blob is None else blob)
    change(parts)
    return parts.blob()


def with_run(**fields: Any) -> bytes:
    return altered(lambda parts: parts.run.update(fields))


def last_of_largest_is_nan(parts: Parts) -> None:
    _, end = parts.place("optimizer.rnn.weight_hh_l0.exp_avg_sq")
    parts.data[end - 4 : end] = np.float32(np.nan).tobytes()


def frames() -> dict[str, tuple[bytes, dict[str, Any]]]:
    """What is refused at some cost: the largest of everything, and wrong only at the end."""
    heaviest = heavy()
    update = Checkpoint.from_bytes(heaviest).run.update
    log = [{"after_update": 10 + at, "learning_rate": 0.01} for at in range(1000)]
    return {
        "arbitrary bytes": (os.urandom(MAX_BYTES), {}),
        "too large by a byte, as the server reads it": (b"\0" * MAX_BYTES, {}),
        "cut": (heaviest[:-1], {}),
        "a header of brackets": (packed(b"[" * MAX_HEADER_BYTES, b""), {}),
        "a header of names": (packed(json.dumps({f"{at:07}": 0 for at in range(20_000)}).encode(), b""), {}),
        "a header that claims too much": (struct.pack("<Q", 2**60) + heaviest[8:], {}),
        "not a number in the last place": (altered(last_of_largest_is_nan), {}),
        "versions without end": (with_run(versions={f"{at:06}": "" for at in range(8000)}), {}),
        "notes without end": (with_run(notes={"text": "x" * 200_000, "more": 1}), {}),
        "a full log and one more": (with_run(changes=[*log, log[-1]]), {}),
        "a full log, out of order at its end": (with_run(changes=[*log[1:], log[0]]), {}),
        "a full log of nothing": (with_run(changes=[{"after_update": at} for at in range(1000)]), {}),
        "a recipe out of bounds": (altered(lambda parts: parts.run["recipe"].update(hidden_size=129)), {}),
        "another cell": (altered(lambda parts: parts.run["recipe"].update(cell="gru")), {}),
        "after far beyond": (heaviest, {"after": update + MAX_AFTER + 1}),
        "after before": (heaviest, {"after": update - 1}),
        "after as far as numbers go": (heaviest, {"after": 2**53}),
        "TensorFlow's recipe": (good()[-1], {}),
    }


@pytest.fixture(scope="module")
def hostile() -> dict[str, tuple[bytes, dict[str, Any]]]:
    return frames()


@pytest.mark.parametrize("kind", frames().keys())
def test_a_refusal_costs_the_server_under_a_tenth_of_a_second(
    server: Server,
    hostile: dict[str, tuple[bytes, dict[str, Any]]],
    kind: str,
    record_property: Callable[[str, object], None],
) -> None:
    frame, fields = hostile[kind]
    trips = []
    with viewer(server.ws) as one:
        one.open(play=False)
        before = cpu_seconds(server.process.pid)  # that of its training process included
        for _ in range(REPEATS):
            began = time.monotonic()
            one.send(type="open", resume=True, **fields)
            one.socket.send(frame)
            refused = one.until("error")
            trips.append(time.monotonic() - began)
            assert refused["code"] in ("bad_checkpoint", "out_of_range", "not_installed")
            assert len(refused["detail"]) < 500
            assert refused["detail"].isprintable()
        each = (cpu_seconds(server.process.pid) - before) / REPEATS
        one.send(type="step")
        assert one.updates(1)[0]["update"] == 1, "the run before it is still there"
    assert each < MOST_SECONDS
    said = f"{kind}: {1000 * each:.0f} ms of processor time, {1000 * statistics.median(trips):.0f} ms there and back"
    record_property("figure", said)


# ---------------------------------------------------------------- a replay bomb


class Others:
    """Viewers that look on at pace 20 in threads of their own, and count what they get."""

    def __init__(self, server: Server, count: int) -> None:
        self.got = [0] * count
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._look, args=(server, at)) for at in range(count)]
        for thread in self._threads:
            thread.start()

    def _look(self, server: Server, at: int) -> None:
        with viewer(server.ws) as one:
            one.open(recipe={"seed": at}, pace=PACE)
            while not self._stop.is_set():
                self.got[at] += len(one.updates(1))

    def have(self, further: int) -> None:
        """Wait until each has had so many more updates."""
        wanted = [got + further for got in self.got]
        eventually(
            lambda: all(got >= count for got, count in zip(self.got, wanted, strict=True)),
            4 * PATIENCE,
            f"{further} more updates of each, at {self.got} of {wanted}",
        )

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def looking_on(server: Server, count: int) -> Iterator[Others]:
    others = Others(server, count)
    try:
        yield others
    finally:
        others.stop()


class Health:
    """Asks /healthz again and again in a thread of its own, while a block lasts."""

    def __init__(self, server: Server) -> None:
        self.seconds: list[float] = []
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        with httpx.Client(base_url=self._server.url, timeout=PATIENCE) as client:
            while not self._stop.wait(0.01):
                began = time.monotonic()
                assert client.get("/healthz").status_code == 200
                self.seconds.append(time.monotonic() - began)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def bomb(one: TestViewer) -> None:
    update = Checkpoint.from_bytes(heavy()).run.update
    one.resume(heavy(), after=update + BOMB, pace="max", play=True)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bombs", [1, 4])
def test_others_keep_their_pace_while_the_heaviest_runs_catch_up(
    server: Server, bombs: int, record_property: Callable[[str, object], None]
) -> None:
    with looking_on(server, 4) as others, ExitStack() as stack:
        others.have(5)
        catching_up = [stack.enter_context(viewer(server.ws)) for _ in range(bombs)]
        for one in catching_up:
            bomb(one)
        before, made, began = sum(others.got), server.metric("unrolled_updates_total"), time.monotonic()
        with Health(server) as health:
            others.have(WATCHED)
        seconds = time.monotonic() - began
        theirs = sum(others.got) - before
        caught_up = server.metric("unrolled_updates_total") - made - theirs
        assert all(one.is_silent(0.01) for one in catching_up), "they had to catch up all the time"
    p99 = statistics.quantiles(health.seconds, n=100)[98]
    record_property(
        "figure",
        f"{bombs} catching up with {caught_up / seconds:.0f} updates a second in all: others at pace {PACE} had "
        f"{theirs / seconds / 4:.1f}; /healthz p99 {1000 * p99:.0f} ms",
    )
    assert caught_up > 1
    assert caught_up / bombs < WATCHED, "no fewer than who catches up"
    assert len(health.seconds) > caught_up, "the event loop waits for no update"


def test_catching_up_is_given_up_for_another_run_at_any_moment(
    server: Server, record_property: Callable[[str, object], None]
) -> None:
    taken = []
    with viewer(server.ws) as one:
        for seed in range(8):
            bomb(one)
            threading.Event().wait(0.05 * seed)
            began = time.monotonic()
            opened = one.open(recipe={"seed": seed}, pace="max")  # which is waited for less long than catching up takes
            taken.append(time.monotonic() - began)
            assert opened["recipe"]["seed"] == seed
            assert one.updates(1)[0]["update"] == 1
    record_property("figure", f"another run opened in {1000 * max(taken):.0f} ms at most while one caught up")


def test_whoever_catches_up_may_go_and_nothing_is_made_for_it_any_more(server: Server) -> None:
    with viewer(server.ws) as one:
        bomb(one)
        assert server.metric("unrolled_viewers") == 1
    eventually(lambda: server.metric("unrolled_viewers") == 0, PATIENCE, "it has gone")
    with viewer(server.ws) as other:
        other.open(play=False)
        other.send(type="step")
        other.updates(1)  # what was under way for who went has come before it
        made = server.metric("unrolled_updates_total")
        for _ in range(5):
            other.send(type="step")
            other.updates(1)
        assert server.metric("unrolled_updates_total") == made + 5


def test_pause_and_other_messages_are_heard_while_it_catches_up(server: Server) -> None:
    with viewer(server.ws) as one:
        bomb(one)
        one.send(type="pause")
        assert one.refusal(type="change", learning_rate=7)["code"] == "out_of_range"
        one.open(play=False)
        assert one.is_silent()
