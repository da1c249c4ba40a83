"""The wire: every TCP connection of a server, and the bounds that uvicorn has no setting for."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

MOST_HEADER_BYTES = 65_536
"""Bytes of one request before its body, and as many after its body."""

MOST_HEADERS = 128
"""Headers of one request, as many as the websocket library takes; each layer of the app looks through them."""

MOST_PIPELINED = 16
"""Requests of one connection that wait for the answers before theirs."""

MOST_FRAGMENTS = 1024
"""Frames in which one websocket message may come. Empty ones count for nothing in its bytes, and are kept too."""

LEAST_PIECE, MOST_PIECE = 2048, 65_536
"""Bytes of one connection that are read before others have their turn."""

PIECE_SECONDS = 0.002
"""Seconds. Where reading a piece took longer, the next ones are of the least size: 256 KiB of empty frames would take a
second, and of chunks of one byte nearly as long."""

NO_HANDSHAKE = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
"""The answer where the websocket library has none."""

CLOSE_SECONDS = 2.0
"""How long a websocket that we closed waits for the other side's close."""


@dataclass(frozen=True)
class Parting:
    """How much is still taken from whoever is closed in the middle of what it sends, and for how long.

    A connection that is closed with something unread is reset, and a reset can overtake the close before it: Chromium
    heard 1009 of six in twenty messages of 4 MiB, and of the others that the wire broke, after which it tries again.
    """

    seconds: float = 10.0
    stop_seconds: float = 1.0  # where the server stops: two of a hundred that played at pace max missed its 1012
    most_bytes: int = 64 * 2**20  # as many as the largest message may have under any setting


@dataclass
class Wire:
    """The connections of one server, and the bounds that they share. The app's lifespan hands it on as its state."""

    handshake_seconds: float
    most_connections: int
    parting: Parting = field(default_factory=Parting)
    connections: set[Any] = field(default_factory=set)  # uvicorn's own, once there is one

    def unsent_bytes(self) -> int:
        """Bytes that wait in this process for peers to take them."""
        return sum(connection.transport.get_write_buffer_size() for connection in self.connections)


class Pieces:
    """The bytes that came over one connection, read piece by piece so that others have their turns in between.

    `resume` is called when all is read.
    """

    def __init__(
        self, read: Callable[[bytes], None], resume: Callable[[], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._read, self._resume, self._loop = read, resume, loop
        self._held = bytearray()  # what came and is not read yet
        self._size = MOST_PIECE

    def __bool__(self) -> bool:
        return bool(self._held)

    def take(self, data: bytes, transport: asyncio.Transport) -> None:
        """Read a first piece at once, unless there are others before it. Where some is left, nothing more comes in."""
        self._held += data
        if len(self._held) == len(data):
            self._read_next(transport)
        if self._held:
            transport.pause_reading()

    def _read_next(self, transport: asyncio.Transport) -> None:
        if transport.is_closing():
            return
        piece = bytes(self._held[: self._size])
        del self._held[: self._size]
        began = perf_counter()
        self._read(piece)
        quick = perf_counter() - began < PIECE_SECONDS
        self._size = min(4 * self._size, MOST_PIECE) if quick else LEAST_PIECE
        if self._held:
            self._loop.call_soon(self._read_next, transport)
        else:
            self._resume()


class Http(HttpToolsProtocol):
    """One connection, until it becomes a websocket. It has some seconds for each request's headers."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._wire: Wire = app_state["wire"]
        self._wire.connections = server_state.connections
        self._patience: asyncio.TimerHandle | None = None
        self._pieces = Pieces(self._read, self._resume, self.loop)
        self._idle_bytes = 0  # since headers were complete or a piece of a body came
        self._answered: Any = None  # the request under way: uvicorn's `cycle` is the newest, which may wait behind it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._wire.most_connections:
            transport.abort()  # else no file would be left for what the process opens itself
        else:
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)
        if self._answered is not None and not self._answered.response_complete:
            # else it writes to a connection that is gone, and looks like a bug of ours
            self._answered.disconnected = True
            self._answered.message_event.set()

    def data_received(self, data: bytes) -> None:
        if len(data) <= LEAST_PIECE and not self._pieces:
            self._read(data)
        else:
            self._pieces.take(data, self.transport)

    def _read(self, data: bytes) -> None:
        if self.transport.get_protocol() is not self:
            return  # it has become a websocket, and sent more before it was told so
        self._idle_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self._idle_bytes > MOST_HEADER_BYTES:
            self.send_400_response(f"Headers may have {MOST_HEADER_BYTES} bytes.")
        elif self.cycle is None or self.cycle.response_complete:
            self._await_headers()

    def handle_websocket_upgrade(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # whoever still answers would never hear that the connection has ended: it would be another's
            self.transport.close()
        else:
            super().handle_websocket_upgrade()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MOST_HEADERS:
            raise ValueError("too many headers")  # uvicorn answers 400 and closes
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MOST_PIPELINED:
            self.pipeline.clear()
            raise ValueError("too many requests wait behind one another")  # uvicorn answers 400 and closes
        self._idle_bytes = 0
        self._stop_waiting()
        super().on_headers_complete()
        if not self.pipeline:
            self._answered = self.cycle

    def on_response_complete(self) -> None:
        if self.pipeline:
            self._answered = self.pipeline[-1][0]  # the next
        super().on_response_complete()

    def on_body(self, body: bytes) -> None:
        self._idle_bytes = 0
        super().on_body(body)

    def _resume(self) -> None:
        if not self.flow.read_paused:
            self.transport.resume_reading()

    def _await_headers(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(self._wire.handshake_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class WebSocketWire(WebSocketsSansIOProtocol):
    """A connection that has become a websocket."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.close_timeout = CLOSE_SECONDS
        self._pieces = Pieces(self._read, self._resume, self.loop)
        self._parting: Parting = app_state["wire"].parting
        self._unwanted: int | None = None  # bytes since we closed in the middle of what comes

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated:
            self._pieces.take(data, self.transport)
        else:
            self._shake_hands(data)

    def _shake_hands(self, request: bytes) -> None:
        """Answer the request that opens the websocket; `Http` hands it over whole."""
        super().data_received(request)
        if not self.handshake_initiated:
            # it has stricter bounds than HTTP, and no body: uvicorn would wait for more
            self.transport.write(b"".join(self.conn.data_to_send()) or NO_HANDSHAKE)
            self.transport.close()

    def _read(self, data: bytes) -> None:
        if self._unwanted is None:
            super().data_received(data)
            return
        self._unwanted += len(data)
        if self._unwanted > self._parting.most_bytes:
            self.transport.close()

    def _resume(self) -> None:
        if not self.read_paused:
            self.transport.resume_reading()

    async def receive(self) -> Any:
        message = await super().receive()
        if self._pieces:  # uvicorn would read on, as if nothing were left of what has come
            self.transport.pause_reading()
        return message

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        if len(self.frames) >= MOST_FRAGMENTS:
            self._refuse(CloseCode.MESSAGE_TOO_BIG, f"a message has at most {MOST_FRAGMENTS} frames")
        else:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(b"".join(self.frames)):
            # uvicorn would close too, and write a traceback to the log for whoever wants one there
            self._refuse(CloseCode.INVALID_DATA, "a text message is UTF-8")
        else:
            super().send_receive_event_to_app()

    def _refuse(self, code: CloseCode, reason: str) -> None:
        self.frames = []
        if self.conn.state is State.OPEN:  # else the other side's close came right behind, and is answered already
            self.conn.send_close(code, reason)
            self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Close, and throw away what still comes until the other side has ended too."""
        assert self.conn.close_sent is not None
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._part(self._parting.seconds)

    def shutdown(self) -> None:
        if self.close_sent or self.conn.state is not State.OPEN:
            super().shutdown()
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.SERVICE_RESTART})
        self.conn.send_close(CloseCode.SERVICE_RESTART)
        self._part(self._parting.stop_seconds)

    def _part(self, seconds: float) -> None:
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent, self._unwanted = True, 0
        self.stop_keepalive()
        self.read_paused = False
        if not self._pieces:  # else it is when these are read
            self.transport.resume_reading()
        self.transport.write_eof()  # a browser that has heard the close need not wait for us to end
        if self.close_timer is None:  # else it was closed before, and its time runs
            self.close_timer = self.loop.call_later(seconds, self.transport.close)

    def handle_ping(self) -> None:
        pongs = b"".join(self.conn.data_to_send())
        if pongs and self.writable.is_set():  # whoever takes nothing gets none: they would pile up
            self.transport.write(pongs)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
