"""/ws/train: who may come in. Viewer does the rest."""

from itertools import count

from fastapi import APIRouter, WebSocket

from app.admission import admit
from app.messages import read_from_viewer
from app.metrics import Metrics
from app.models import ModelStore
from app.settings import Settings
from app.trainer import Trainer
from app.viewer import Viewer


def routes(trainer: Trainer, store: ModelStore, settings: Settings, metrics: Metrics) -> APIRouter:
    router = APIRouter()
    numbers = count(1)
    open_viewers: set[int] = set()

    @router.websocket("/ws/train")
    async def train(socket: WebSocket) -> None:
        connection = await admit(socket, read_from_viewer, len(open_viewers), settings, metrics)
        if connection is None:
            return
        number = next(numbers)
        open_viewers.add(number)
        metrics.viewers.inc()
        try:
            await Viewer(number, connection, trainer, store, metrics).serve()
        finally:
            open_viewers.discard(number)
            metrics.viewers.dec()

    return router
