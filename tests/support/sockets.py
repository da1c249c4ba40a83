"""Websockets on bare sockets, and waiting for what a server does by itself."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.conftest import Server
from tests.support.viewers import PATIENCE


def eventually(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something that the server does by itself."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        threading.Event().wait(0.05)


def closed(url: str, **options: Any) -> tuple[int, str]:
    """The close code and reason that a viewer gets who is let in and then shown out."""
    with connect(url, **options) as one, pytest.raises(ConnectionClosed) as caught:
        while True:
            one.recv(PATIENCE)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def raw_viewer(server: Server, path: str = "/ws/train") -> socket.socket:
    """A viewer on a bare socket, which can stop reading."""
    raw = socket.create_connection(("127.0.0.1", server.port))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.sendall(
        b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % path.encode()
    )
    assert raw.recv(4096).startswith(b"HTTP/1.1 101")
    return raw


def say(raw: socket.socket, **message: Any) -> None:
    payload = json.dumps(message).encode()
    head = struct.pack("!BBH", 0x81, 0x80 | 126, len(payload)) + b"\x00\x00\x00\x00"
    raw.sendall(head + payload)
