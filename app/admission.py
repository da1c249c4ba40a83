"""Admission: who may open a websocket."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from fastapi import WebSocket
from pydantic import TypeAdapter

from app.connection import FULL, REFUSED, Connection
from app.metrics import Metrics
from app.origins import is_allowed
from app.settings import Settings

M = TypeVar("M")


class Door(Generic[M]):
    """Lets in whoever may come, and as many at a time as the settings say."""

    def __init__(self, messages: TypeAdapter[M], settings: Settings, metrics: Metrics) -> None:
        self._messages = messages
        self._settings = settings
        self._metrics = metrics
        self._inside = 0

    async def admit(self, socket: WebSocket, serve: Callable[[Connection[M]], Awaitable[None]]) -> None:
        """Serve the socket's connection until it goes, or turn it away: a foreign origin, or a full hall."""
        # accepted even when refused: a browser is shown no code of a socket that never opened
        await socket.accept()
        settings = self._settings
        connection = Connection(socket, self._messages, settings.max_message_bytes, settings.idle_seconds)
        if not is_allowed(socket.headers, settings.allowed_origins):
            self._metrics.refusals.labels(reason="origin").inc()
            await connection.close(REFUSED, "this origin may not connect")
            return
        if self._inside >= settings.max_viewers:
            self._metrics.refusals.labels(reason="full").inc()
            await connection.close(FULL, "the hall is full; try again later")
            return
        self._inside += 1
        try:
            await serve(connection)
        finally:
            self._inside -= 1
