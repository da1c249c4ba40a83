"""The load generator's own logic: frames in pieces, updates that are lost or doubled, and the lag."""

import asyncio
import json
from collections.abc import Callable

import numpy as np
import pytest

from bench.crowd import Late, Viewer, recipe
from bench.lag import Arrivals, lags
from bench.table import lines
from bench.wire import BINARY, CLOSE, PING, PONG, TEXT, frame
from model.recipe import Recipe


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.closed = True


def from_server(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 2**16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def updates(*numbers: int, filling: int = 100) -> bytes:
    made = [{"update": number, "length": 1, "hidden": "A" * filling} for number in numbers]
    return from_server(TEXT, json.dumps({"type": "updates", "updates": made}, separators=(",", ":")).encode())


def heard(*data: bytes) -> tuple[Viewer, list[bytes]]:
    """A viewer that got this from its server, and what it said after its `open`."""

    async def hear() -> tuple[Viewer, list[bytes]]:
        viewer, transport = Viewer("http://x", {}, Late()), Transport()
        viewer.connection_made(transport)  # type: ignore[arg-type]
        for piece in (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n", *data):
            viewer.data_received(piece)
        assert transport.sent[1] == frame(TEXT, b'{"type": "open"}')
        return viewer, transport.sent[2:]

    return asyncio.run(hear())


def test_updates_that_come_one_or_several_to_a_message_are_followed_and_answered() -> None:
    viewer, sent = heard(updates(1), updates(2, 3, 4), updates(5, filling=70_000))
    assert (viewer.last, viewer.updates, viewer.messages, viewer.trouble) == (5, 5, 3, [])
    assert sent[0] == frame(TEXT, b'{"type":"seen","update":1}')
    assert len(sent) == 1, "the others wait for the next frame"


def test_an_answer_that_waited_is_given_at_the_next_frame() -> None:
    async def hear() -> list[bytes]:
        viewer, transport = Viewer("http://x", {}, Late()), Transport()
        viewer.connection_made(transport)  # type: ignore[arg-type]
        viewer.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + updates(1) + updates(2) + updates(3))
        await asyncio.sleep(0.05)
        return transport.sent[2:]

    assert asyncio.run(hear()) == [frame(TEXT, b'{"type":"seen","update":%d}' % update) for update in (1, 3)]


@pytest.mark.parametrize(
    ("messages", "trouble"),
    [
        ([(1,), (3,)], "3 after 1"),
        ([(1,), (1,)], "1 after 1"),
        ([(2,)], "2 after 0"),
        ([(1, 2), (3, 5)], "not each once from 3 to 5"),
        ([(1, 2, 2)], "not each once from 1 to 2"),
    ],
)
def test_what_is_lost_or_doubled_is_trouble(messages: list[tuple[int, ...]], trouble: str) -> None:
    viewer, _ = heard(*(updates(*numbers) for numbers in messages))
    assert viewer.trouble == [trouble]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_frames_may_come_in_any_pieces(size: int) -> None:
    whole = updates(1) + from_server(BINARY, b"x" * 300) + from_server(PING, b"?") + updates(2, filling=70_000)
    viewer, sent = heard(*(whole[at : at + size] for at in range(0, len(whole), size)))
    assert (viewer.last, viewer.trouble) == (2, [])
    assert frame(PONG, b"?") in sent


def test_a_refusal_and_a_close_are_trouble_and_a_checkpoint_is_none() -> None:
    def lose(viewer: Viewer) -> list[str]:
        viewer.connection_lost(None)
        return viewer.trouble

    async def hear(*data: bytes) -> list[str]:
        viewer, transport = Viewer("http://x", {}, Late()), Transport()
        viewer.connection_made(transport)  # type: ignore[arg-type]
        viewer.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + b"".join(data))
        assert transport.closed
        return lose(viewer)

    checkpoint = from_server(TEXT, b'{"type":"checkpoint","update":5}')
    error = b'{"type": "error", "code": "failed"}'
    close = from_server(CLOSE, (1013).to_bytes(2, "big"))
    assert asyncio.run(hear(checkpoint, from_server(TEXT, error), close)) == [
        error.decode(),
        "lost the connection: 1013",
    ]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_of_ours_says_how_long_it_is(size: int) -> None:
    made = frame(TEXT, b"x" * size)
    assert made[0] == TEXT
    assert made[1] & 0x80, "a client masks"
    told = made[1] & 0x7F
    head = {126: 4, 127: 10}.get(told, 2)
    assert (int.from_bytes(made[2:head], "big") if head > 2 else told) == size
    assert made[head:] == bytes(4) + b"x" * size


# ---------------------------------------------------------------- lag


def arrivals(came: Callable[[int], float], first: int, last: int) -> Arrivals:
    numbers = list(range(first, last + 1))
    return Arrivals(first - 1, [came(number) for number in numbers], numbers)


def test_a_viewer_that_keeps_its_pace_has_no_lag() -> None:
    late, missing = lags(arrivals(lambda k: 100 + k / 20, 41, 240), 20, warm=104.0, until=112.1, grace=0.1)
    assert late.size == 161
    assert np.abs(late).max() < 1e-9
    assert missing == 0


def test_lag_is_measured_by_the_best_of_the_warm_up() -> None:
    late, _ = lags(
        arrivals(lambda k: 100 + k / 20 + (0.0 if k == 10 else 0.03), 1, 100), 20, warm=102.0, until=105, grace=0.1
    )
    assert late == pytest.approx(0.03)


def test_whoever_falls_behind_has_a_lag_that_grows_and_updates_that_are_missing() -> None:
    slow = arrivals(lambda k: 100 + k / 20 if k <= 40 else 102 + (k - 40) / 10, 1, 140)
    late, missing = lags(slow, 20, warm=102.01, until=112.0, grace=0.1)
    assert late[0] == pytest.approx(0.05)
    assert late[-1] == pytest.approx(5.0)
    assert np.all(np.diff(late) > 0)
    assert missing == 238 - 140


def test_a_stall_is_lag_of_those_that_came_after_it_and_of_none_before() -> None:
    late, missing = lags(
        arrivals(lambda k: max(100 + k / 10, 106.0 if k > 50 else 0), 1, 100), 10, warm=103.0, until=110.05, grace=0.1
    )
    assert late.max() == pytest.approx(0.9)
    assert np.count_nonzero(late > 0.001) == 9
    assert missing == 0


def test_updates_of_one_message_came_at_the_same_moment() -> None:
    got = Arrivals(0, [100.1, 100.2, 100.5], [1, 2, 5])
    late, _ = lags(got, 10, warm=100.15, until=100.5, grace=0.1)
    assert late == pytest.approx([0.0, 0.2, 0.1, 0.0])


def test_who_got_nothing_misses_all() -> None:
    late, missing = lags(Arrivals(7, [], []), 20, warm=100.0, until=110.0, grace=0.1)
    assert late.size == 0
    assert missing == 200


def test_recipes_of_a_mixed_hall_are_allowed_and_differ() -> None:
    recipes = [Recipe.model_validate(recipe(number, mixed=True)) for number in range(200)]
    assert {one.cell for one in recipes} == {"rnn", "gru", "lstm"}
    assert len({one.hidden_size for one in recipes}) > 4
    assert recipe(5, mixed=True) == recipe(5, mixed=True)
    assert recipe(5, mixed=False) == {"seed": 5}


# ---------------------------------------------------------------- the table


def test_the_table_has_what_was_measured_in_the_order_of_the_promises() -> None:
    entries = [
        {"bench": "hall", "figures": {"recipes": "plain", "workers": 1, "holds": 300, "the other build holds": 100}},
        {"bench": "hall", "figures": {"recipes": "mixed", "workers": 2, "holds": 200}},
        {"bench": "streaming", "figures": {"ratio": 1.7}},
        {"bench": "many", "figures": {"pace": "max", "ratio": 50.1}},
        {"bench": "memory", "figures": {"in a mixed hall, kB": 90.0}},
    ]
    said = list(lines(entries))
    assert len(said) == 5
    assert said[2].startswith("| one learner alone")
    assert said[2].rstrip(" |").endswith("1.7")
    assert "| 50.1 (max)" in said[3]
    assert "| 300; 100 (plain), 200 (mixed, 2 workers)" in said[4]
    assert len({len(line) for line in said}) == 1


def test_without_a_figure_there_is_no_table() -> None:
    assert list(lines([{"bench": "frames", "figures": {"ratio": 1.2}}])) == []
