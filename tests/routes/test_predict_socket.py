"""/ws/predict over real sockets: the state is kept, a stream equals the whole, and mistakes disturb nobody."""

import json
import math
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from app.protocol.predict_socket import MOST_SAMPLES, encode_prediction, read_from_sender, to_sender
from model.checkpoint import Checkpoint
from model.network import Network
from model.recipe import Recipe
from tests.conftest import Server, running
from tests.support.viewers import PATIENCE, viewer

SINE = [math.sin(0.3 * n) for n in range(40)]
PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
EXAMPLES = re.findall(r"```json (sender|stream)\n(.*?)\n```", PROTOCOL, re.DOTALL)


class Sender:
    """One open websocket; what it hears is checked against the schema."""

    def __init__(self, wire: ClientConnection) -> None:
        self.wire = wire

    def send(self, **message: Any) -> None:
        self.wire.send(json.dumps(message))

    def next(self) -> dict[str, Any]:
        heard = self.wire.recv(PATIENCE)
        to_sender.validate_json(heard)
        message: dict[str, Any] = json.loads(heard)
        return message

    def ask(self, **message: Any) -> dict[str, Any]:
        self.send(**message)
        return self.next()

    def predict(self, x: list[float]) -> list[float]:
        answer = self.ask(type="sample", x=x)
        assert answer["type"] == "prediction", answer
        y: list[float] = answer["y"]
        return y


def url(server: Server) -> str:
    return server.url.replace("http", "ws") + "/ws/predict"


@contextmanager
def sender(server: Server, **options: Any) -> Iterator[Sender]:
    with connect(url(server), compression=None, **options) as wire:
        yield Sender(wire)


def posted(server: Server, sequence: list[float], model: str = "sine") -> list[float]:
    answer = httpx.post(server.url + "/predict", json={"sequence": sequence, "model": model}, timeout=PATIENCE)
    prediction: list[float] = answer.raise_for_status().json()["prediction"]
    return prediction


@pytest.fixture(scope="module")
def lstm(server: Server) -> str:
    """The id of an uploaded model."""
    network = Network("lstm", 16, torch.Generator().manual_seed(7))
    data = Checkpoint.of_network(Recipe(cell="lstm", hidden_size=16), network).to_bytes()
    id: str = httpx.post(server.url + "/models", content=data).raise_for_status().json()["id"]
    return id


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with room for one."""
    with running(tmp_path_factory.mktemp("narrow"), max_viewers=1) as server:
        yield server


# ---------------------------------------------------------------- the same as POST /predict


@pytest.mark.parametrize("batch", [1, 3, 40])
def test_a_stream_in_pieces_equals_the_whole_sequence_at_once(server: Server, batch: int) -> None:
    with sender(server) as one:
        pieces = [one.predict(SINE[i : i + batch]) for i in range(0, len(SINE), batch)]
    assert [len(piece) for piece in pieces[:-1]] == [batch] * (len(pieces) - 1)
    np.testing.assert_allclose(np.concatenate(pieces), posted(server, SINE), rtol=0, atol=1e-6)


def test_the_answer_to_a_sine_is_its_cosine(server: Server) -> None:
    with sender(server) as one:
        answers = [one.predict([math.sin(0.2 * n)])[0] for n in range(120)]
    assert max(abs(answers[n] - math.cos(0.2 * n)) for n in range(40, 120)) < 0.1


def test_numbers_are_float32_in_their_shortest_form(server: Server) -> None:
    with sender(server) as one:
        one.send(type="sample", x=SINE)
        text = one.wire.recv(PATIENCE)
    y = np.array(json.loads(text)["y"], np.float32)
    assert text == encode_prediction(y)
    assert max(len(number) for number in re.findall(r"[-\d.e]+", str(text))) <= 14


def test_an_opened_model_answers_from_zero_state(server: Server, lstm: str) -> None:
    with sender(server) as one:
        first = one.predict(SINE)
        assert one.ask(type="open")["model"]["id"] == "sine"
        assert one.predict(SINE) == first, "opening clears the state"
        opened = one.ask(type="open", model=lstm)
        assert opened["model"] == {
            name: value for name, value in listed(server, lstm).items() if name not in ("bytes", "update")
        }
        again = one.predict(SINE[:7]) + one.predict(SINE[7:])
    np.testing.assert_allclose(again, posted(server, SINE, lstm), rtol=0, atol=1e-6)


def listed(server: Server, id: str) -> dict[str, Any]:
    models = httpx.get(server.url + "/models").json()["models"]
    return next(model for model in models if model["id"] == id)


def test_reset_goes_back_to_zero_state(server: Server) -> None:
    with sender(server) as one:
        first = one.predict(SINE)
        going_on = one.predict(SINE)
        assert one.ask(type="reset") == {"type": "reset"}
        assert one.predict(SINE) == first
    assert going_on != first


def test_two_streams_keep_their_own_states(server: Server) -> None:
    with sender(server) as one, sender(server) as two:
        mixed = [(one.predict([x])[0], two.predict([-x])[0]) for x in SINE]
    np.testing.assert_allclose([y for y, _ in mixed], posted(server, SINE), rtol=0, atol=1e-6)
    np.testing.assert_allclose([y for _, y in mixed], posted(server, [-x for x in SINE]), rtol=0, atol=1e-6)


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ('{"type": "sample", "x": [0.1, NaN]}', "not_finite", "x.1"),
        ('{"type": "sample", "x": [1e400]}', "not_finite", "x.0"),
        ('{"type": "sample", "x": [0, 1000001]}', "out_of_range", "x.1"),
        ('{"type": "sample", "x": [-1e300]}', "out_of_range", "x.0"),
        ('{"type": "sample", "x": []}', "out_of_range", "x"),
        (json.dumps({"type": "sample", "x": [0.0] * (MOST_SAMPLES + 1)}), "out_of_range", "x"),
        ('{"type": "sample", "x": ["0.1"]}', "wrong_type", "x.0"),
        ('{"type": "sample", "x": [true]}', "wrong_type", "x.0"),
        ('{"type": "sample", "x": [null]}', "wrong_type", "x.0"),
        ('{"type": "sample", "x": 0.1}', "wrong_type", "x"),
        ('{"type": "sample"}', "missing", "x"),
        ('{"type": "sample", "x": [0], "state": ""}', "unknown_field", "state"),
        ('{"type": "open", "model": "nobody"}', "unknown_model", "model"),
        ('{"type": "open", "model": "../../etc/passwd"}', "unknown_model", "model"),
        (json.dumps({"type": "open", "model": "m" * 65}), "out_of_range", "model"),
        ('{"type": "open", "model": 5}', "wrong_type", "model"),
        ('{"type": "fly"}', "unknown_type", "type"),
        ('{"x": [0]}', "missing", "type"),
        ("[0.1]", "wrong_type", ""),
        ("{", "broken_json", ""),
        ("", "broken_json", ""),
        (" " * 131_073, "out_of_range", ""),
    ],
)
def test_a_refused_message_says_what_and_where_and_leaves_the_state_alone(
    server: Server, text: str, code: str, field: str
) -> None:
    with sender(server) as one:
        begun = one.predict(SINE[:20])
        one.wire.send(text)
        refused = one.next()
        assert (refused["type"], refused["code"], refused["field"]) == ("error", code, field)
        assert 0 < len(refused["detail"]) < 200
        going_on = one.predict(SINE[20:])
    np.testing.assert_allclose(begun + going_on, posted(server, SINE), rtol=0, atol=1e-6)


def test_a_binary_message_is_refused_and_the_connection_stays_open(server: Server) -> None:
    with sender(server) as one:
        one.wire.send(b"\0" * 100)
        assert one.next()["code"] == "wrong_type"
        assert len(one.predict([0.5])) == 1


def test_numbers_that_overflow_are_refused_and_the_state_stays(server: Server) -> None:
    network = Network("rnn", 32, torch.Generator().manual_seed(7))
    with torch.no_grad():
        for weight in network.parameters():
            weight.fill_(3e38)
    data = Checkpoint.of_network(Recipe(), network).to_bytes()
    id = httpx.post(server.url + "/models", content=data).raise_for_status().json()["id"]
    with sender(server) as one:
        one.ask(type="open", model=id)
        refused = one.ask(type="sample", x=[1.0])
        assert (refused["code"], refused["field"]) == ("not_finite", "model")
        assert one.ask(type="open")["type"] == "opened"
        assert one.predict(SINE) == pytest.approx(posted(server, SINE), abs=1e-6)


def test_a_foreign_origin_is_turned_away(server: Server) -> None:
    with (
        connect(url(server), origin=Origin("https://elsewhere.example")) as wire,
        pytest.raises(ConnectionClosed, match="1008"),
    ):
        wire.recv(PATIENCE)


def test_one_too_many_is_told_to_come_later_and_a_place_is_free_again(narrow: Server) -> None:
    with sender(narrow) as first:
        first.predict([0.0])
        with connect(url(narrow)) as wire, pytest.raises(ConnectionClosed, match="1013"):
            wire.recv(PATIENCE)
    has_room(narrow)


def has_room(server: Server) -> None:
    """Within a while a new sender is answered."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with sender(server) as one:
            try:
                assert len(one.predict([0.0])) == 1
                return
            except ConnectionClosed:
                assert time.monotonic() < deadline


# ---------------------------------------------------------------- a flood


def test_a_flood_is_answered_in_order_and_stops_no_viewer(server: Server) -> None:
    with sender(server) as one, viewer(server.ws) as other, ThreadPoolExecutor(1) as thread:
        other.open(pace=60)
        seen = threading.Event()

        def flood() -> int:
            """As much as is answered, until the viewer has seen enough: how often."""
            count = 0
            while count < 300 or not seen.is_set():
                for n in range(50):
                    one.send(type="sample", x=[math.sin(0.1 * n)] * (1 + n % 3))
                assert [len(one.next()["y"]) for _ in range(50)] == [1 + n % 3 for n in range(50)]
                count += 50
            return count

        flooding = thread.submit(flood)
        try:
            other.updates(20)
        finally:
            seen.set()
        assert flooding.result(PATIENCE) >= 300


def test_a_sender_that_reads_nothing_is_made_to_wait_and_no_other(server: Server) -> None:
    frames = 100 * masked(json.dumps({"type": "sample", "x": [0.1] * 40}).encode())
    with raw_sender(server) as raw:
        raw.settimeout(1.0)
        taken = 0
        with pytest.raises(TimeoutError):  # nobody takes it any more
            while taken < 100_000_000:
                taken += raw.send(frames[taken % len(frames) :])
        assert 0 < taken < 20_000_000, "what waits is bounded"
        with sender(server) as other:
            assert len(other.predict(SINE)) == len(SINE)


def test_a_sender_that_vanishes_frees_its_place(narrow: Server) -> None:
    has_room(narrow)
    with raw_sender(narrow) as raw:
        raw.sendall(20 * masked(json.dumps({"type": "sample", "x": [0.1] * MOST_SAMPLES}).encode()))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    has_room(narrow)
    assert "Traceback" not in narrow.log.read_text()


@contextmanager
def raw_sender(server: Server) -> Iterator[socket.socket]:
    """A socket after its handshake, with nobody to read from it."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # soon full
        raw.settimeout(PATIENCE)
        raw.connect(("127.0.0.1", server.port))
        raw.sendall(
            b"GET /ws/predict HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert raw.recv(4096).startswith(b"HTTP/1.1 101")
        yield raw


def masked(text: bytes) -> bytes:
    """A client's text frame; a mask of zeros leaves the text as it is."""
    return b"\x81\xfe" + struct.pack(">H", len(text)) + bytes(4) + text


# ---------------------------------------------------------------- what the documents say


@pytest.mark.parametrize(("who", "text"), EXAMPLES, ids=[text[:40] for _, text in EXAMPLES])
def test_every_example_of_a_stream_in_the_protocol_is_a_message(who: str, text: str) -> None:
    message: Any = (read_from_sender if who == "sender" else to_sender).validate_json(text)
    assert message.type == json.loads(text)["type"]


def test_every_message_of_a_stream_has_an_example_in_the_protocol() -> None:
    shown = {(who, json.loads(text)["type"]) for who, text in EXAMPLES} | {("stream", "error")}  # the same everywhere
    assert shown == {("sender", kind) for kind in read_from_sender.json_schema()["discriminator"]["mapping"]} | {
        ("stream", kind) for kind in to_sender.json_schema()["discriminator"]["mapping"]
    }
