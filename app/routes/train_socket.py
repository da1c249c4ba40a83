"""/ws/train: who may come in. Viewer does the rest."""

from fastapi import APIRouter, WebSocket

from app.live.admission import Door, Hall
from app.live.connection import Connection
from app.live.pacing import Timing
from app.live.viewer import Viewer
from app.protocol.train import FromViewer, read_from_viewer
from app.store.models import ModelStore
from app.telemetry.metrics import Metrics
from app.training.trainer import Trainer


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
