"""/ws/train: who may come in. Viewer does the rest."""

from itertools import count

from fastapi import APIRouter, WebSocket

from app.admission import Door
from app.connection import Connection
from app.messages import FromViewer, read_from_viewer
from app.metrics import Metrics
from app.models import ModelStore
from app.settings import Settings
from app.trainer import Trainer
from app.viewer import Viewer


def routes(trainer: Trainer, store: ModelStore, settings: Settings, metrics: Metrics) -> APIRouter:
    router = APIRouter()
    numbers = count(1)
    door = Door(read_from_viewer, settings, metrics)

    async def serve(connection: Connection[FromViewer]) -> None:
        with metrics.viewers.track_inprogress():
            await Viewer(next(numbers), connection, trainer, store, metrics).serve()

    @router.websocket("/ws/train")
    async def train(socket: WebSocket) -> None:
        await door.admit(socket, serve)

    return router
