"""/ws/train: who may come in. Viewer does the rest."""

from fastapi import APIRouter, WebSocket

from app.admission import Door, Hall
from app.connection import Connection
from app.messages import FromViewer, read_from_viewer
from app.metrics import Metrics
from app.models import ModelStore
from app.pacing import Timing
from app.trainer import Trainer
from app.viewer import Viewer


def routes(trainer: Trainer, store: ModelStore, hall: Hall, metrics: Metrics, timing: Timing) -> APIRouter:
    router = APIRouter()
    viewers: set[Viewer] = set()
    metrics.viewers.set_function(lambda: len(viewers))
    metrics.viewers_behind.set_function(lambda: sum(viewer.is_behind for viewer in viewers))
    metrics.inbox_bytes.set_function(lambda: sum(viewer.inbox_bytes for viewer in viewers))
    door = Door(read_from_viewer, hall, hall.settings.handshake_seconds)

    async def serve(connection: Connection[FromViewer]) -> None:
        viewer = Viewer(connection, trainer, store, metrics, viewers, timing)
        viewers.add(viewer)
        try:
            await viewer.serve()
        finally:
            viewers.remove(viewer)

    @router.websocket("/ws/train")
    async def train(socket: WebSocket) -> None:
        await door.admit(socket, serve)

    return router
