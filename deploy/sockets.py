"""The open websockets of one replica, with what Ray's proxy has no setting for."""

import asyncio
from collections import deque

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.live.connection import TOO_BIG

RESTARTING = 1012
"""Close code: resume at once, on any server."""

OVERHEAD_BYTES = 100
"""What a message counts beside what is in it: empty ones are kept too."""


class Sockets:
    """ASGI middleware: all open websockets can be told to leave, and what each may have waiting is bounded.

    Ray hands on whatever a viewer sends, as fast as it comes: an app that does not read holds nobody back. So a viewer
    that has more than `most_waiting_bytes` unread is closed.
    """

    def __init__(self, app: ASGIApp, most_waiting_bytes: int) -> None:
        self._app = app
        self._most = most_waiting_bytes
        self._open: set[_Socket] = set()
        self._leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return await self._app(scope, receive, send)
        socket = _Socket(receive, send, self._most)
        self._open.add(socket)
        reading = asyncio.create_task(socket.read())
        try:
            if self._leaving:  # its router has not heard yet that this replica is going
                await socket.send({"type": "websocket.accept"})
                await socket.leave()
            else:
                await self._app(scope, socket.receive, socket.send)
        finally:
            self._open.discard(socket)
            reading.cancel()

    async def leave(self) -> None:
        """Tell every viewer to resume on another server, and all who still come."""
        self._leaving = True
        for socket in list(self._open):
            await socket.leave()


class _Socket:
    """One websocket between the app and Ray."""

    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive, self._send = receive, send
        self._most = most
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._came = asyncio.Event()
        self._accepted = False
        self._closed: int | None = None

    async def read(self) -> None:
        """Take what comes as it comes, until the viewer goes."""
        while self._closed is None:
            message = await self._receive()
            self._bytes += _size(message)
            if self._bytes > self._most and message["type"] == "websocket.receive":
                await self._close(TOO_BIG, f"{self._most} bytes wait to be read, and no more may")
                return
            self._waiting.append(message)
            self._came.set()
            if message["type"] == "websocket.disconnect":
                return

    async def receive(self) -> Message:
        while not self._waiting:
            if self._closed is not None:
                return {"type": "websocket.disconnect", "code": self._closed}
            self._came.clear()
            await self._came.wait()
        message = self._waiting.popleft()
        self._bytes -= _size(message)
        return message

    async def send(self, message: Message) -> None:
        """What the app sends; once the socket is closed it is too late for that."""
        if self._closed is not None:
            return
        if message["type"] == "websocket.accept":
            self._accepted = True
        elif message["type"] == "websocket.close":
            self._closed = message.get("code", 1000)
        await self._send(message)

    async def leave(self) -> None:
        if self._accepted and self._closed is None:
            await self._close(RESTARTING, "the server restarts; resume on another")

    async def _close(self, code: int, reason: str) -> None:
        self._closed = code
        self._waiting.clear()
        self._came.set()
        await self._send({"type": "websocket.close", "code": code, "reason": reason})


def _size(message: Message) -> int:
    return OVERHEAD_BYTES + len(message.get("bytes") or message.get("text") or "")
