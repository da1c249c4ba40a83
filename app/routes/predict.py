"""POST /predict."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from app.http.bodies import read_body
from app.http.openapi import documented, documented_body
from app.inference.predictor import Predictor
from app.inference.question import Question
from app.protocol.predict import (
    PREDICT_EXAMPLES,
    PredictAnswer,
    PredictAnswers,
    PredictRequest,
)
from app.settings import Settings
from app.store.models import ModelStore

LARGE_BYTES = 2**16  # of a request body; reading it and writing the answer take longer than a change of thread

A = TypeVarTuple("A")
R = TypeVar("R")


Endpoint = Callable[[Request], Awaitable[Response]]


class _DirectRoute(APIRoute):
    """Calls an endpoint that wants nothing but the request without FastAPI's search for what else it may want."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


def endpoint(store: ModelStore, predictor: Predictor, settings: Settings) -> Endpoint:
    """The endpoint of POST /predict, for the route and for the shortcut to it."""

    async def predict(request: Request) -> Response:
        """Samples of sines in, one prediction for each sample out, and the state to go on from."""
        body = await read_body(request, settings.max_body_bytes, settings.body_seconds)
        large = len(body) > LARGE_BYTES
        question = await _do(large, Question.of_body, body, settings.max_sequence, settings.max_sequences)
        model = store.ready(question.model)
        if model is None:
            model = await asyncio.to_thread(store.get, question.model)
        states = question.open_states(model)
        predictions, ends = await predictor.predict(model, question.sequences, states)
        answer = await _do(large, question.answer, model, predictions, ends)
        return Response(await _do(large, _encode, answer), media_type="application/json")

    return predict


def routes(predict: Endpoint) -> APIRouter:
    router = APIRouter()

    router.add_api_route(
        "/predict",
        predict,
        methods=["POST"],
        route_class_override=_DirectRoute,
        summary="Answer sines with their cosines",
        response_model=None,
        responses={
            200: {"model": PredictAnswer | PredictAnswers},
            **documented("broken_json", "body_too_slow", "body_too_large", "missing", "unknown_field", "conflict"),
            **documented("wrong_type", "not_finite", "out_of_range", "bad_state", "unknown_model", "busy"),
        },
        openapi_extra=documented_body("application/json", PredictRequest.model_json_schema(), PREDICT_EXAMPLES),
    )

    return router


async def _do(large: bool, work: Callable[[*A], R], *args: *A) -> R:
    """At once; if it is long, on a thread, which lets the event loop in between any two rows of numbers."""
    return await asyncio.to_thread(work, *args) if large else work(*args)


def _encode(answer: dict[str, Any]) -> bytes:
    """JSON, float32 numbers in their shortest form."""
    if "predictions" in answer:
        rows = (orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY) for row in answer["predictions"])
        answer["predictions"] = [orjson.Fragment(row) for row in rows]
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
