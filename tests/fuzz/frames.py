"""Hostile bytes on the sockets of a live server: handshakes, websocket frames, and messages in good frames."""

import json
import os
import socket
import struct
from collections import Counter
from contextlib import ExitStack, suppress
from typing import Any

from hypothesis import strategies as st
from pydantic import TypeAdapter
from websockets.sync.client import ClientConnection, connect

from app.protocol.predict_socket import to_sender
from app.protocol.replay import to_verifier
from app.protocol.train import to_viewer
from tests.fuzz.cases import Blob, outcomes
from tests.fuzz.hostile import ANYTHING, RAW
from tests.fuzz.train_machine import ODD
from tests.support.viewers import PATIENCE

Draw = Any  # of hypothesis: from a strategy, a value

CLOSES = {1000, 1001, 1002, 1003, 1007, 1009}
"""How a connection may end on which nonsense came. 1011 would say that the mistake is ours."""

ENDPOINTS: dict[str, TypeAdapter[Any]] = {
    "/ws/train": to_viewer,
    "/ws/predict": to_sender,
    "/ws/verify": to_verifier,
}

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


# ---------------------------------------------------------------- frames


def frame(
    opcode: int, payload: bytes, final: bool = True, reserved: int = 0, masked: bool = True, length: int | None = None
) -> bytes:
    """One frame as a client sends it; `length` is what its header says in place of the truth."""
    size = len(payload) if length is None else length
    first, mask = (0x80 if final else 0) | reserved << 4 | opcode, 0x80 if masked else 0
    if size < 126:
        header = struct.pack("!BB", first, mask | size)
    elif size < 2**16:
        header = struct.pack("!BBH", first, mask | 126, size)
    else:
        header = struct.pack("!BBQ", first, mask | 127, size)
    return header + (bytes(4) if masked else b"") + payload  # a mask of zeros leaves the payload as it is


PAYLOADS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"{", b'{"type":"ping"}', b'{"type":"open"}', b"\xff\xfe", b"\xc3", b"\xed\xa0\x80"]),
    st.sampled_from([125, 126, 127, 65_535, 65_536, 200_000]).map(lambda size: b"x" * size),
)
GOOD_FRAMES = st.builds(frame, st.sampled_from([TEXT, BINARY, PING, PONG]), st.binary(max_size=30))
PIECES = st.builds(frame, st.sampled_from([TEXT, BINARY, CONTINUATION]), st.binary(max_size=10), st.booleans())
ODD_FRAMES = st.builds(
    frame,
    st.integers(0, 15),
    PAYLOADS,
    final=st.booleans(),
    reserved=st.sampled_from([0, 0, 0, 1, 2, 4, 7]),
    masked=st.sampled_from([True, True, True, False]),
)
CLOSING = st.builds(
    frame,
    st.just(CLOSE),
    st.one_of(
        st.binary(max_size=130),
        st.integers(0, 65_535).map(lambda code: struct.pack("!H", code)),
        st.sampled_from([1000, 1005, 1006, 1015, 999, 5000]).map(lambda code: struct.pack("!H", code) + b"\xff"),
    ),
)
LIES = st.builds(
    frame,
    st.sampled_from([TEXT, BINARY, PING, CLOSE]),
    st.binary(max_size=20),
    length=st.sampled_from([0, 1, 21, 125, 126, 2**16, 2**20 + 1, 2**31, 2**63 - 1, 2**64 - 1]),
)


@st.composite
def frames(draw: Draw) -> tuple[str, bytes, bool]:
    """Where they go, the bytes, and whether the server can know where the last frame ends."""
    path = draw(st.sampled_from(sorted(ENDPOINTS)))
    one = st.sampled_from([GOOD_FRAMES] * 5 + [PIECES, ODD_FRAMES, CLOSING]).flatmap(lambda kind: kind)
    sent = draw(st.lists(one, max_size=6))
    kind = draw(st.sampled_from(["whole", "whole", "cut", "lie", "noise"]))
    if kind == "cut" and sent:
        sent[-1] = sent[-1][: -1 - draw(st.integers(0, 30)) % len(sent[-1])]
    elif kind == "lie":
        sent.append(draw(LIES))
    elif kind == "noise":
        sent.append(draw(st.binary(min_size=1, max_size=200)))
    return path, Blob(b"".join(sent)), kind == "whole"


class Bare:
    """A websocket without a library between: its handshake, and the frames that the server sends."""

    def __init__(self, port: int, path: str) -> None:
        self._raw = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._heard = bytearray()
        self._raw.sendall(handshake(path=path))
        while b"\r\n\r\n" not in self._heard:
            self._read()
        assert self._heard.startswith(b"HTTP/1.1 101"), bytes(self._heard)
        del self._heard[: self._heard.index(b"\r\n\r\n") + 4]

    def _read(self) -> None:
        piece = self._raw.recv(65_536)
        if not piece:
            raise EOFError
        self._heard += piece

    def send(self, data: bytes) -> None:
        self._raw.sendall(data)

    def stop_sending(self) -> None:
        _stop_sending(self._raw)

    def frame(self) -> tuple[int, bytes]:
        """The next frame that comes. Raises EOFError or ConnectionError."""
        return self._take(0)[0] & 0x0F, self._body()

    def _take(self, at: int, count: int = 1) -> bytes:
        while len(self._heard) < at + count:
            self._read()
        return bytes(self._heard[at : at + count])

    def _body(self) -> bytes:
        size, start = self._take(1)[0], 2
        assert size < 128, "a server masks nothing"
        if size == 126:
            (size,), start = struct.unpack("!H", self._take(2, 2)), 4
        elif size == 127:
            (size,), start = struct.unpack("!Q", self._take(2, 8)), 10
        body = self._take(start, size)
        del self._heard[: start + size]
        return body

    def close(self) -> None:
        self._raw.close()


def _stop_sending(raw: socket.socket) -> None:
    with suppress(OSError):  # the other side may have closed already
        raw.shutdown(socket.SHUT_WR)


def answer_to_frames(port: int, case: tuple[str, bytes, bool]) -> str:
    """The server goes on, which a pong shows, or closes with a code that says what was wrong, or hangs up if we do."""
    path, data, is_whole = case
    bare, fence = Bare(port, path), os.urandom(8)
    try:
        with suppress(ConnectionError):  # it may have closed already
            bare.send(data + frame(PING, fence) if is_whole else data)
            if not is_whole:
                bare.stop_sending()
        while True:
            opcode, body = bare.frame()
            if opcode == PONG and body == fence:
                return "went on"
            if opcode == CLOSE:
                code = struct.unpack("!H", body[:2])[0] if body else None
                assert code is None or code in CLOSES or struct.pack("!H", code) in data, code
                return f"closed with {code}"
            if opcode == TEXT:
                _typed(path, body)
    except (EOFError, ConnectionError):
        assert not is_whole, "it was hung up on without a word"
        return "hung up"
    finally:
        bare.close()


def _typed(path: str, text: bytes | str) -> Any:
    message = ENDPOINTS[path].validate_json(text)
    assert message.type != "error" or 0 < len(message.detail) < 500
    return message


# ---------------------------------------------------------------- handshakes and other requests


def handshake(path: str = "/ws/train", method: str = "GET", headers: dict[str, str] | None = None) -> bytes:
    lines = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        **(headers or {}),
    }
    text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return text.encode("utf-8", "surrogatepass") + b"\r\n"


NAMES = st.sampled_from(
    ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Origin",
     "Sec-WebSocket-Extensions", "Content-Length", "Transfer-Encoding", "Expect", "X-Forwarded-For", "Cookie", "Range",
     "Accept-Encoding", "If-None-Match", "Content-Type", "X-" + "a" * 3000]
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", "0", "-1", "1e9", "13, 14", "8", "chunked", "identity", "100-continue", "null", "http://evil.example",
         "permessage-deflate; client_max_window_bits=99", "A" * 8000, "%s", "${x}", "bytes=0-", "\t", "::", "\x1b[m"]
    ),
)  # fmt: skip
PATHS = st.one_of(
    st.sampled_from(
        ["/ws/train", "/ws/predict", "/ws/verify", "/ws/graphs", "/ws/nothing", "/predict", "/models", "/", "*", "",
         "//ws/train", "/ws/train/", "/ws/../ws/train", "/static/../../etc/passwd", "/static/%2e%2e/app/main.py",
         "/models/..%2f..%2fetc", "http://evil.example/ws/train", "/" + "a" * 9000, "/ws/train?" + "q=1&" * 2000, "/\0"]
    ),
    st.text(max_size=30).map(lambda text: "/" + text),
)  # fmt: skip
METHODS = st.sampled_from(["GET", "GET", "POST", "PUT", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PRI", "get", "G\0T"])
BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=60),
    st.sampled_from([b"0\r\n\r\n", b"5\r\nhel", b"ffffffffffffffff\r\nx", b"-1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]),
)


@st.composite
def requests(draw: Draw) -> bytes:
    """A handshake with something odd about it, or bytes that are no request at all."""
    if draw(st.integers(0, 9)) == 0:
        return Blob(draw(st.binary(min_size=1, max_size=200)))
    headers = draw(st.dictionaries(NAMES, VALUES, max_size=3))
    made = handshake(draw(PATHS), draw(METHODS), headers) + draw(BODIES)
    return Blob(made[: draw(st.integers(1, len(made)))] if draw(st.integers(0, 4)) == 0 else made)


def answer_to_request(port: int, sent: bytes) -> str:
    """A status that is no 500, or the end of the connection. Nothing hangs once we have said all."""
    heard = bytearray()
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as raw, suppress(ConnectionError):
        raw.sendall(sent)
        raw.shutdown(socket.SHUT_WR)
        while piece := raw.recv(65_536):
            heard += piece
    if not heard:
        return "hung up"
    assert heard.startswith(b"HTTP/1.1 "), bytes(heard[:100])
    status = int(heard[9:12])
    assert status < 500, bytes(heard[:500])
    return f"answered {status // 100}xx"


# ---------------------------------------------------------------- messages


def _message(*types: str, fields: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(types), st.dictionaries(st.sampled_from(fields), ANYTHING, max_size=3)).map(
        lambda both: json.dumps({"type": both[0], **both[1]})
    )


TEXTS: dict[str, st.SearchStrategy[str]] = {
    "/ws/train": ODD.filter(lambda text: '"open"' not in text),  # what follows it is the state machine's
    "/ws/predict": ODD | _message("sample", "open", "reset", fields=("x", "model", "state", "type")),
    "/ws/verify": ODD | _message("verify", "cancel", fields=("receipt", "recipe", "changes", "updates")),
}


@st.composite
def texts(draw: Draw) -> tuple[str, str]:
    path = draw(st.sampled_from(sorted(TEXTS)))
    raw = RAW.map(lambda value: f'{{"type": {value}}}') | RAW
    return path, draw(TEXTS[path] | raw)


def answer_to_text(sockets: dict[str, ClientConnection], case: tuple[str, str]) -> str:
    """Every message has one answer, on the socket where those before it were answered too."""
    path, text = case
    sockets[path].send(text)
    heard = sockets[path].recv(PATIENCE)
    assert isinstance(heard, str)
    message = _typed(path, heard)
    return str(message.code if message.type == "error" else message.type)


# ---------------------------------------------------------------- many of them

KINDS = ("frames", "requests", "texts")


def hold(kind: str, port: int, count: int, at_random: bool) -> Counter[str]:
    """What became of them. Fewer than `count` where no more are found to differ."""
    if kind == "frames":
        return outcomes(frames(), count, at_random, lambda case: answer_to_frames(port, case))
    if kind == "requests":
        return outcomes(requests(), count, at_random, lambda sent: answer_to_request(port, sent))
    with ExitStack() as stack:
        options: dict[str, Any] = {"max_size": None, "compression": None, "ping_interval": None}
        urls = {path: f"ws://127.0.0.1:{port}{path}" for path in ENDPOINTS}
        sockets = {path: stack.enter_context(connect(url, **options)) for path, url in urls.items()}
        return outcomes(texts(), count, at_random, lambda case: answer_to_text(sockets, case))
