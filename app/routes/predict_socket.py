"""/ws/predict: samples in, predictions out, and the hidden state kept in between."""

import asyncio

import numpy as np
from fastapi import APIRouter, WebSocket

from app.inference.predictor import Predictor
from app.inference.sealed_state import State
from app.live.admission import Door, Hall
from app.live.connection import Connection
from app.protocol.predict_socket import (
    Forget,
    Forgotten,
    FromSender,
    Hear,
    ModelOpened,
    OpenModel,
    encode_prediction,
    read_from_sender,
)
from app.protocol.refusal import Refused
from app.store.models import Model, ModelStore


class Sender:
    """One open websocket and its hidden state.

    A message is read when the one before it is answered: answers come in order, at most one prediction of a socket
    is under way, and whoever sends faster than that waits.
    """

    def __init__(self, connection: Connection[FromSender], store: ModelStore, predictor: Predictor) -> None:
        self._connection = connection
        self._store = store
        self._predictor = predictor
        self._model: Model | None = None
        self._state: State | None = None

    async def serve(self) -> None:
        """Answer until the sender goes."""
        await self._connection.converse(self._answer)

    async def _answer(self, message: FromSender | bytes | Refused) -> None:
        """Raises Refused, with model and state as they were."""
        match message:
            case Refused():
                raise message
            case bytes():
                raise Refused("wrong_type", "", "streamed predictions take text messages only")
            case OpenModel():
                self._model, self._state = await self._find(message.model), None
                await self._connection.tell(ModelOpened(model=self._model.summary))
            case Forget():
                self._state = None
                await self._connection.tell(Forgotten())
            case Hear():
                await self._predict(message.x)

    async def _predict(self, x: list[float]) -> None:
        model = self._model or await self._find(OpenModel(type="open").model)
        (y,), (end,) = await self._predictor.predict(model, [np.array(x, np.float32)], [self._state])
        self._model, self._state = model, end
        await self._connection.send_text(encode_prediction(y))

    async def _find(self, id: str) -> Model:
        if (model := self._store.ready(id)) is not None:
            return model
        return await asyncio.to_thread(self._store.get, id)


def routes(store: ModelStore, predictor: Predictor, hall: Hall) -> APIRouter:
    router = APIRouter()
    door = Door(read_from_sender, hall)

    @router.websocket("/ws/predict")
    async def predict(socket: WebSocket) -> None:
        await door.admit(socket, lambda connection: Sender(connection, store, predictor).serve())

    return router
