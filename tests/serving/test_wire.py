"""Connections that are slow, silent or greedy, on bare sockets."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import count
from unittest.mock import Mock

import httpx
import pytest

from app.live.inbox import BYTES
from app.serving.wire import LEAST_PIECE, MOST_PIECE, Pieces
from tests.conftest import Server, running
from tests.support.nursery import World
from tests.support.sockets import eventually, raw_viewer, say
from tests.support.viewers import PATIENCE, viewer

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
MIB = 2**20


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives a handshake one second."""
    with running(tmp_path_factory.mktemp("hasty"), handshake_seconds=1) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def brisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that lets one go who reads nothing for a second."""
    with running(tmp_path_factory.mktemp("brisk"), world=World(unread_seconds=1)) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


@pytest.fixture
def knock(hasty: Server) -> Iterator[Callable[[], socket.socket]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(socket.create_connection(("127.0.0.1", hasty.port), PATIENCE))


def answer(raw: socket.socket) -> bytes:
    """A whole short answer of /healthz."""
    heard = b""
    while not heard.endswith(b'{"status":"ok"}'):
        piece = raw.recv(4096)
        assert piece, heard
        heard += piece
    return heard


def ends(raw: socket.socket) -> bytes:
    """What comes until the server closes."""
    heard = b""
    try:
        while piece := raw.recv(65_536):
            heard += piece
    except ConnectionError:
        pass
    return heard


# ---------------------------------------------------------------- slow


def test_a_connection_that_says_nothing_is_let_go(knock: Callable[[], socket.socket]) -> None:
    assert ends(knock()) == b""


def test_headers_that_trickle_in_are_cut_off(knock: Callable[[], socket.socket]) -> None:
    slow = knock()
    slow.sendall(b"GET /healthz HTTP/1.1\r\n")
    slow.settimeout(0.1)

    def has_ended() -> bool:
        try:
            slow.sendall(b"X-Slow: 1\r\n")
            return slow.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    eventually(has_ended, PATIENCE, "it is cut off although something always comes")


HANDSHAKE = (
    b"%s HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n"
)


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        (b"GET /ws/train", b"x: " + b"y" * 9000 + b"\r\n", b"431"),
        (b"GET /ws/train", b"x: y\r\n" * 200, b"400"),
        (b"GET /ws/train?" + b"y" * 9000, b"", b"414"),
        (b"GET /ws/train", b"Content-Length: 3\r\n", b"400"),
        (b"GET /ws/train", b"Transfer-Encoding: chunked\r\n", b"400"),
        (b"POST /ws/train", b"", b"405"),
    ],
    ids=["long header", "many headers", "long address", "length", "chunks", "POST"],
)
def test_a_handshake_that_is_none_is_answered_and_ended(
    knock: Callable[[], socket.socket], request_line: bytes, headers: bytes, status: bytes
) -> None:
    raw = knock()
    raw.sendall(HANDSHAKE % (request_line, headers))
    assert ends(raw).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("start", [b"GET /healthz HT", b"\r\n"], ids=["half headers", "an empty line"])
def test_a_second_request_has_no_more_time_than_the_first(knock: Callable[[], socket.socket], start: bytes) -> None:
    kept = knock()
    kept.sendall(GET)
    assert answer(kept).startswith(b"HTTP/1.1 200")
    kept.sendall(start)
    assert ends(kept) == b""


def test_a_body_may_take_longer_than_the_headers(knock: Callable[[], socket.socket]) -> None:
    body = b'{"sequence":[0.5]}'
    slow, silent = knock(), knock()
    slow.sendall(b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
    assert ends(silent) == b"", "one that came at the same time is let go"
    assert ends(knock()) == b"", "and one that came after it"
    slow.sendall(body[5:])
    assert slow.recv(4096).startswith(b"HTTP/1.1 200")


# ---------------------------------------------------------------- greedy


def test_headers_without_end_are_refused(knock: Callable[[], socket.socket]) -> None:
    greedy = knock()
    greedy.sendall(b"GET / HTTP/1.1\r\n")
    with pytest.raises(ConnectionError):
        while True:
            greedy.sendall(b"X-More: and more\r\n" * 100)


def test_trailers_without_end_are_refused(knock: Callable[[], socket.socket]) -> None:
    greedy = knock()
    greedy.sendall(b"POST /predict HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n")
    with pytest.raises(ConnectionError):
        while True:
            greedy.sendall(b"X-More: and more\r\n" * 100)


def test_a_message_of_endless_empty_frames_is_closed_with_1009(brisk: Server) -> None:
    greedy = raw_viewer(brisk)
    greedy.sendall(b"\x01\x80\x00\x00\x00\x00")  # the first frame of a text, and not its last
    try:
        for _ in range(100):
            greedy.sendall(b"\x00\x80\x00\x00\x00\x00" * 100)
    except ConnectionError:
        pass
    heard = ends(greedy)
    greedy.close()
    assert struct.pack("!H", 1009) + b"a message has at most 1024 frames" in heard


def test_who_pings_and_reads_nothing_is_owed_no_more_than_a_buffer_and_let_go(brisk: Server) -> None:
    greedy = raw_viewer(brisk)
    say(greedy, type="open", play=False)
    connections = brisk.metric("unrolled_connections")
    greedy.settimeout(PATIENCE)
    most = 0.0

    def is_let_go() -> bool:
        nonlocal most
        try:
            for _ in range(4):
                greedy.sendall((b"\x89\xfd\x00\x00\x00\x00" + b"x" * 125) * 500)
        except ConnectionError:
            return True
        most = max(most, brisk.metric("unrolled_unsent_bytes"))
        return False

    eventually(is_let_go, PATIENCE, "it is let go")
    greedy.close()
    assert 0 < most < 1_000_000
    eventually(lambda: brisk.metric("unrolled_connections") < connections, PATIENCE, "its file is closed")


def test_a_viewer_that_sends_large_frames_and_is_not_read_holds_a_bounded_inbox(brisk: Server) -> None:
    with viewer(brisk.ws) as other:
        other.open(pace=20)
        other.updates(2)
        greedy = raw_viewer(brisk)
        say(greedy, type="open", pace="max", views=["hidden"], recipe={"hidden_size": 128, "longest": 6, "samples": 20})
        say(greedy, type="seen", update=2**53)  # its run is stuck as soon as nothing more can be sent to it
        resident = brisk.metric("process_resident_memory_bytes")
        frame = b"\x82\xff" + struct.pack("!Q", MIB) + b"\x00\x00\x00\x00" + bytes(MIB)
        greedy.settimeout(PATIENCE)
        with pytest.raises(ConnectionError):
            while True:
                greedy.sendall(frame)  # waits while nothing is read, until it is let go
                assert brisk.metric("unrolled_inbox_bytes") < BYTES + MIB + 1
        greedy.close()
        assert brisk.metric("process_resident_memory_bytes") < resident + 30 * MIB
        assert other.updates(2)


def test_open_files_and_what_waits_are_reported(brisk: Server) -> None:
    text = httpx.get(brisk.url + "/metrics").text
    for name in (
        "process_open_fds",
        "process_max_fds",
        "process_resident_memory_bytes",
        "unrolled_connections",
        "unrolled_unsent_bytes",
        "unrolled_inbox_bytes",
        "unrolled_worker_info{",
    ):
        assert f"\n{name}" in text


# ---------------------------------------------------------------- many at once


def test_a_flood_of_empty_frames_leaves_others_their_turns(brisk: Server) -> None:
    raw = raw_viewer(brisk, "/ws/predict")
    raw.settimeout(PATIENCE)
    refusals = 0

    def flood() -> None:
        with suppress(OSError):
            while True:
                raw.sendall(b"\x82\x80\0\0\0\0" * 42_000)

    def hear() -> None:
        nonlocal refusals
        with suppress(OSError):
            while piece := raw.recv(1 << 20):
                refusals += piece.count(b'"wrong_type"')

    threads = [threading.Thread(target=work) for work in (flood, hear)]
    for thread in threads:
        thread.start()
    eventually(lambda: refusals > 0, PATIENCE, "it has begun to be answered")
    assert httpx.get(brisk.url + "/healthz", timeout=PATIENCE).status_code == 200, "although there is no end of it"
    raw.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(PATIENCE)
    raw.close()


def test_a_flood_of_the_smallest_chunks_leaves_others_their_turns_and_nothing_is_lost(brisk: Server) -> None:
    body = json.dumps({"sequence": [0.5] * 10_000}).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    heard: list[bytes] = []

    def flood() -> None:
        with socket.create_connection(("127.0.0.1", brisk.port), PATIENCE) as raw:
            for end in (b"", b"Connection: close\r\n"):
                raw.sendall(b"POST /predict HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n%s\r\n" % end)
                raw.sendall(chunks)
            heard.append(ends(raw))

    flooding = threading.Thread(target=flood)
    flooding.start()
    while flooding.is_alive():
        assert httpx.get(brisk.url + "/healthz", timeout=PATIENCE).status_code == 200
    flooding.join()
    assert heard[0].count(b"HTTP/1.1 200") == 2
    assert heard[0].count(b",") > 2 * 9_999, "both predictions are whole"


def test_what_takes_long_to_read_is_read_in_the_least_pieces_between_others_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.serving.wire.perf_counter", count().__next__)  # a second for each piece
    happened: list[int | str] = []

    async def read() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        pieces = Pieces(lambda piece: happened.append(len(piece)), done.set, loop)
        pieces.take(bytes(MOST_PIECE + 2 * LEAST_PIECE + 1), transport := Mock(**{"is_closing.return_value": False}))
        while not done.is_set():
            happened.append("another")
            await asyncio.sleep(0)
        transport.pause_reading.assert_called_once()

    with ThreadPoolExecutor(1) as thread:  # Playwright's loop may be in this one
        thread.submit(asyncio.run, read()).result(PATIENCE)
    assert happened == [MOST_PIECE, "another", LEAST_PIECE, "another", LEAST_PIECE, "another", 1]


def test_many_requests_behind_an_unread_answer_end_the_connection(knock: Callable[[], socket.socket]) -> None:
    raw = knock()
    raw.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 500)
    assert ends(raw).count(b"HTTP/1.1 200") < 50


def test_a_websocket_behind_an_unread_answer_is_none_and_leaves_nothing_behind(brisk: Server) -> None:
    before = brisk.metric("unrolled_tasks"), brisk.metric("process_open_fds")
    for _ in range(5):
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", brisk.port))
            raw.sendall(b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: here\r\n\r\n")
            assert raw.recv(12) == b"HTTP/1.1 200"
            raw.sendall(HANDSHAKE % (b"GET /ws/train", b""))
    after = lambda: (brisk.metric("unrolled_tasks"), brisk.metric("process_open_fds"))  # noqa: E731
    eventually(lambda: after() <= before, PATIENCE, "tasks and files are as before")


@pytest.mark.parametrize("behind", [b"", b"\x88\x80\0\0\0\0"], ids=["alone", "with a close behind"])
def test_text_that_is_not_utf8_ends_the_connection_and_leaves_no_traceback(server: Server, behind: bytes) -> None:
    with raw_viewer(server) as raw:
        raw.sendall(b"\x81\x81\0\0\0\0\xff" + behind)
        raw.shutdown(socket.SHUT_WR)
        heard = ends(raw)
    assert heard[0] == 0x88, "a close"
    assert heard[2:4] == (b"" if behind else struct.pack("!H", 1007)), "ours; or the answer to that which came"
    assert "Traceback" not in server.log.read_text()
