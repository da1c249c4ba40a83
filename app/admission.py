"""Admission: who may open a websocket."""

from typing import TypeVar

from fastapi import WebSocket
from pydantic import TypeAdapter

from app.connection import FULL, REFUSED, Connection
from app.metrics import Metrics
from app.origins import is_allowed
from app.settings import Settings

M = TypeVar("M")


async def admit(
    socket: WebSocket, messages: TypeAdapter[M], inside: int, settings: Settings, metrics: Metrics
) -> Connection[M] | None:
    """The socket's connection; None if it was turned away: a foreign origin, or as many `inside` as there may be."""
    # accepted even when refused: a browser is shown no code of a socket that never opened
    await socket.accept()
    connection = Connection(socket, messages, settings.max_message_bytes, settings.idle_seconds)
    if not is_allowed(socket.headers, settings.allowed_origins):
        metrics.refusals.labels(reason="origin").inc()
        await connection.close(REFUSED, "this origin may not connect")
        return None
    if inside >= settings.max_viewers:
        metrics.refusals.labels(reason="full").inc()
        await connection.close(FULL, "the hall is full; try again later")
        return None
    return connection
