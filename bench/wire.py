"""A websocket's near end that costs little, so that hundreds of them in one process leave the machine to the server.

It takes what our server sends (RFC 6455 without extensions and fragments) and hands on where a message lies, uncopied.
"""

import asyncio
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
"""First bytes of a whole frame."""

NO_MASK = b"\0\0\0\0"
"""A mask that leaves a payload as it is. The server's work is the same as with any other."""


def frame(first: int, payload: bytes) -> bytes:
    """A frame as a client sends it."""
    size = len(payload)
    if size < 126:
        return bytes((first, 0x80 | size)) + NO_MASK + payload
    if size < 2**16:
        return bytes((first, 0xFE)) + size.to_bytes(2, "big") + NO_MASK + payload
    return bytes((first, 0xFF)) + size.to_bytes(8, "big") + NO_MASK + payload


class Wire(asyncio.Protocol):
    """One connection. What it makes of a message is said by whoever derives from it."""

    transport: asyncio.Transport

    def __init__(self, url: str, path: str) -> None:
        self.close_code: int | None = None
        self._asked = f"GET {path} HTTP/1.1\r\nhost: {urlsplit(url).netloc}\r\n".encode()
        self._upgraded = False
        self._parts: list[bytes] = []
        self._held = 0
        self._need = 2  # bytes to hold before another look is worth while

    def opened(self) -> None:
        """The server speaks websocket."""

    def text(self, data: bytes, start: int, end: int) -> None:
        """A text message lies in `data` from `start` to `end`."""

    def binary(self, size: int) -> None:
        """A binary message of that many bytes."""

    def send(self, text: bytes) -> None:
        self.transport.write(frame(TEXT, text))

    def close(self) -> None:
        """Say goodbye; the server closes."""
        self.transport.write(frame(CLOSE, (1000).to_bytes(2, "big")))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        key = b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n"
        transport.write(self._asked + key + b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._held += len(data)
        if self._held < self._need:
            return
        if len(self._parts) > 1:
            data = b"".join(self._parts)
        used = self._frames(data, 0) if self._upgraded else self._upgrade(data)
        rest = data[used:]
        self._parts = [rest] if rest else []
        self._held = len(rest)

    def _upgrade(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if not data.startswith(b"HTTP/1.1 101"):
            raise ConnectionRefusedError(data[:100])
        self._upgraded = True
        self.opened()
        return self._frames(data, end + 4)

    def _frames(self, data: bytes, at: int) -> int:
        """Hand on every whole frame. Returns where the first one that is not whole begins."""
        end = len(data)
        while True:
            start = at + 2
            self._need = 2
            if end < start:
                return at
            size = data[at + 1]
            if size > 125:
                start += 2 if size == 126 else 8
                size = int.from_bytes(data[at + 2 : start], "big")
            self._need = start + size - at
            if end - at < self._need:
                return at
            self._frame(data[at], data, start, start + size)
            at = start + size

    def _frame(self, first: int, data: bytes, start: int, end: int) -> None:
        if first == TEXT:
            self.text(data, start, end)
        elif first == BINARY:
            self.binary(end - start)
        elif first == PING:
            self.transport.write(frame(PONG, data[start:end]))
        elif first == CLOSE:
            self.close_code = int.from_bytes(data[start : start + 2], "big") if end > start else 1005
            self.transport.close()
        elif first != PONG:
            raise ValueError(f"a frame that begins with {first:#x}")
