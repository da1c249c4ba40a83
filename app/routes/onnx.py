"""GET /models/{id}/onnx and POST /onnx: a network for programs that have never heard of us."""

from typing import Any

from fastapi import APIRouter, Request, Response

from app.http.bodies import read_body
from app.http.one_by_one import OneByOne
from app.http.openapi import documented, documented_body, documented_path
from app.protocol.refusal import Refused
from app.settings import Settings
from app.store.models import ModelStore
from model.checkpoint import MAX_BYTES, Checkpoint, CheckpointError
from model.export.onnx import file_name, to_onnx

MOST_WAITING = 64
"""Models under way or waiting; one takes 0.02 s. A hall may ask at once."""

_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "an ONNX model"}
}


def routes(store: ModelStore, settings: Settings) -> APIRouter:
    router = APIRouter()
    line = OneByOne("onnx", "models", MOST_WAITING, retry_after=1)
    most_upload_bytes = min(MAX_BYTES, settings.max_body_bytes)

    @router.get(
        "/models/{id}/onnx",
        summary="Download a model as ONNX",
        response_class=Response,
        responses={**_ANSWER, **documented("unknown_model", "busy")},
        openapi_extra=documented_path("id"),
    )
    async def of_stored(request: Request) -> Response:
        """A stored model's network, for ONNX Runtime and its like: any batch, any number of time steps."""
        id = request.path_params["id"]
        return await line.do(lambda: _download(to_onnx(store.get(id, "id").checkpoint), f"{id}.onnx"))

    @router.post(
        "/onnx",
        summary="Turn a checkpoint into ONNX",
        response_class=Response,
        responses={**_ANSWER, **documented("body_too_slow", "body_too_large", "bad_model", "busy")},
        openapi_extra=documented_body("application/octet-stream", {"type": "string", "format": "binary"}),
    )
    async def of_body(request: Request) -> Response:
        """A checkpoint, as raw safetensors bytes, in; its network as ONNX out. Nothing is kept."""
        data = await read_body(request, most_upload_bytes, settings.body_seconds)
        return await line.do(_of_bytes, data)

    return router


def _of_bytes(data: bytes) -> Response:
    try:
        checkpoint = Checkpoint.from_bytes(data)
    except CheckpointError as error:
        raise Refused("bad_model", "", str(error)[:400]) from None
    return _download(to_onnx(checkpoint), file_name(checkpoint))


def _download(model: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(model, 200, headers, "application/octet-stream")
