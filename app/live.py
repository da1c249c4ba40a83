"""/ws/train: who may come in. Viewer does the rest."""

from itertools import count

from fastapi import APIRouter, WebSocket

from app.connection import FULL, REFUSED, Connection
from app.messages import read_from_viewer
from app.metrics import Metrics
from app.models import ModelStore
from app.origins import is_allowed
from app.settings import Settings
from app.trainer import Trainer
from app.viewer import Viewer


def routes(trainer: Trainer, store: ModelStore, settings: Settings, metrics: Metrics) -> APIRouter:
    router = APIRouter()
    numbers = count(1)
    open_viewers: set[int] = set()

    @router.websocket("/ws/train")
    async def train(socket: WebSocket) -> None:
        # accepted even when refused: a browser is shown no code of a socket that never opened
        await socket.accept()
        connection = Connection(socket, read_from_viewer, settings.max_message_bytes, settings.idle_seconds)
        if not is_allowed(socket.headers, settings.allowed_origins):
            metrics.refusals.labels(reason="origin").inc()
            return await connection.close(REFUSED, "this origin may not connect")
        if len(open_viewers) >= settings.max_viewers:
            metrics.refusals.labels(reason="full").inc()
            return await connection.close(FULL, "the hall is full; try again later")
        number = next(numbers)
        open_viewers.add(number)
        metrics.viewers.inc()
        try:
            await Viewer(number, connection, trainer, store, metrics).serve()
        finally:
            open_viewers.discard(number)
            metrics.viewers.dec()

    return router
