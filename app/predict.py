"""POST /predict, and the models that answer it: GET and POST /models, GET /models/{id}."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from app.messages import (
    PREDICT_EXAMPLES,
    ModelList,
    PredictAnswer,
    PredictAnswers,
    PredictRequest,
    StoredModelSummary,
)
from app.models import ModelStore
from app.predictor import Predictor
from app.question import Question
from app.refusals import documented, documented_body, documented_path, read_body
from app.settings import Settings
from model.checkpoint import MAX_BYTES

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
    """What POST /predict does."""

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


def routes(predict: Endpoint, store: ModelStore, settings: Settings) -> APIRouter:
    router = APIRouter()
    most_upload_bytes = min(MAX_BYTES, settings.max_body_bytes)

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

    @router.get("/models", summary="List the models", response_model=ModelList)
    async def models() -> Response:
        """The models that can predict."""
        found = await asyncio.to_thread(store.summaries)
        return Response(ModelList(models=found).model_dump_json(), media_type="application/json")

    @router.post(
        "/models",
        summary="Upload a model",
        status_code=201,
        response_model=None,
        responses={
            201: {"model": StoredModelSummary},
            **documented("body_too_slow", "body_too_large", "bad_model", "store_full"),
        },
        openapi_extra=documented_body("application/octet-stream", {"type": "string", "format": "binary"}),
    )
    async def upload(request: Request) -> Response:
        """A checkpoint, as raw safetensors bytes. Its id is the hash of its content."""
        data = await read_body(request, most_upload_bytes, settings.body_seconds)
        model = await asyncio.to_thread(store.add, data)
        headers = {"Location": f"models/{model.id}"}
        return Response(model.listed().model_dump_json(), 201, headers, "application/json")

    @router.get(
        "/models/{id}",
        summary="Download a model",
        response_class=Response,
        responses={
            200: {"content": {"application/octet-stream": {}}, "description": "the checkpoint's bytes"},
            **documented("unknown_model"),
        },
        openapi_extra=documented_path("id"),
    )
    async def download(request: Request) -> Response:
        """The bytes that were uploaded."""
        id = request.path_params["id"]
        data = await asyncio.to_thread(store.read, id, "id")
        headers = {"Content-Disposition": f'attachment; filename="{id}.safetensors"'}
        return Response(data, 200, headers, "application/octet-stream")

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
