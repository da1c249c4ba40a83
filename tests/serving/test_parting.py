"""Whoever is closed in the middle of what it sends: it hears why, and is not listened to for ever."""

import asyncio
import select
import socket
import struct
from collections.abc import Callable
from functools import partial

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.serving.wire import Http, Parting, WebSocketWire, Wire
from tests.fuzz.frames import BINARY, frame, handshake
from tests.support.viewers import PATIENCE

MIB = 2**20
TOO_LARGE = frame(BINARY, b"", length=4 * MIB)
"""The beginning of it."""

WRONG_FRAGMENTS = frame(BINARY, b"", final=False) + 1025 * frame(0, b"", final=False)
WRONG_TEXT = frame(1, b"\xff")


async def hears(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that accepts and listens until the other side has gone."""
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


Stop = Callable[[], object]


def told(parting: Parting, visit: Callable[[socket.socket, Stop], object]) -> None:
    """A visit over a socket, from its handshake on, to a server with this patience, which then lets it go.

    The visitor can have the server stop.
    """

    async def play() -> None:
        config = uvicorn.Config(hears, http=Http, ws=WebSocketWire, ws_max_size=MIB, log_config=None, lifespan="off")
        config.load()
        state = ServerState()
        shared = {"wire": Wire(handshake_seconds=3600, most_connections=100, parting=parting)}
        loop = asyncio.get_running_loop()
        async with await loop.create_server(lambda: Http(config, state, shared), "127.0.0.1", 0) as listening:
            stop = partial(loop.call_soon_threadsafe, lambda: [each.shutdown() for each in list(state.connections)])
            await asyncio.to_thread(visited, listening.sockets[0].getsockname()[1], stop)
            while state.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def visited(port: int, stop: Stop) -> None:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as raw:
            raw.sendall(handshake())
            assert raw.recv(4096).startswith(b"HTTP/1.1 101")
            visit(raw, stop)

    asyncio.run(asyncio.wait_for(play(), 2 * PATIENCE))


def all_that_comes(raw: socket.socket) -> bytes:
    heard = b""
    while piece := raw.recv(4096):
        heard += piece
    return heard


@pytest.mark.parametrize(
    ("begun", "code"),
    [(TOO_LARGE, 1009), (WRONG_FRAGMENTS, 1009), (WRONG_TEXT, 1007)],
    ids=["too large", "fragments", "text"],
)
def test_who_is_closed_while_it_sends_may_send_the_rest_and_hears_why(begun: bytes, code: int) -> None:
    def visit(raw: socket.socket, stop: Stop) -> None:
        raw.sendall(begun)
        assert select.select([raw], [], [], PATIENCE)[0], "the close has come"
        raw.sendall(bytes(4 * MIB))
        raw.shutdown(socket.SHUT_WR)
        heard = all_that_comes(raw)
        assert heard[0] == 0x88, "a close"
        assert heard[2:4] == struct.pack("!H", code)

    told(Parting(seconds=3600), visit)


def test_who_sends_while_the_server_stops_may_go_on_and_hears_1012() -> None:
    def visit(raw: socket.socket, stop: Stop) -> None:
        raw.sendall(frame(BINARY, b"", length=MIB))
        stop()
        assert select.select([raw], [], [], PATIENCE)[0], "the close has come"
        raw.sendall(bytes(4 * MIB))
        raw.shutdown(socket.SHUT_WR)
        assert all_that_comes(raw)[:4] == b"\x88\x02" + struct.pack("!H", 1012)

    told(Parting(stop_seconds=3600), visit)


def test_who_sends_without_end_after_the_close_is_cut_off() -> None:
    def visit(raw: socket.socket, stop: Stop) -> None:
        raw.sendall(TOO_LARGE)
        with pytest.raises(ConnectionError):
            while True:
                raw.sendall(bytes(MIB))

    told(Parting(seconds=3600, most_bytes=3 * MIB), visit)


def test_who_never_ends_after_the_close_is_let_go() -> None:
    def visit(raw: socket.socket, stop: Stop) -> None:
        raw.sendall(TOO_LARGE)
        assert all_that_comes(raw)[2:4] == struct.pack("!H", 1009)
        raw.setblocking(False)
        kept.append(raw.dup())  # nobody ends this one

    kept: list[socket.socket] = []
    try:
        told(Parting(seconds=0.01), visit)
    finally:
        for raw in kept:
            raw.close()
