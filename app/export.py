"""GET /models/{id}/onnx and POST /onnx: a network for programs that have never heard of us."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from app.models import ModelStore
from app.refusals import Refused, documented, documented_body, documented_path, read_body
from app.settings import Settings
from model.checkpoint import MAX_BYTES, Checkpoint, CheckpointError
from model.onnx_export import file_name, to_onnx

_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "an ONNX model"}
}


def routes(store: ModelStore, settings: Settings) -> APIRouter:
    router = APIRouter()
    most_upload_bytes = min(MAX_BYTES, settings.max_body_bytes)

    @router.get(
        "/models/{id}/onnx",
        summary="Download a model as ONNX",
        response_class=Response,
        responses={**_ANSWER, **documented("unknown_model")},
        openapi_extra=documented_path("id"),
    )
    async def of_stored(request: Request) -> Response:
        """A stored model's network, for ONNX Runtime and its like: any batch, any number of time steps."""
        id = request.path_params["id"]
        return await asyncio.to_thread(lambda: _download(to_onnx(store.get(id, "id").checkpoint), f"{id}.onnx"))

    @router.post(
        "/onnx",
        summary="Turn a checkpoint into ONNX",
        response_class=Response,
        responses={**_ANSWER, **documented("body_too_slow", "body_too_large", "bad_model")},
        openapi_extra=documented_body("application/octet-stream", {"type": "string", "format": "binary"}),
    )
    async def of_body(request: Request) -> Response:
        """A checkpoint, as raw safetensors bytes, in; its network as ONNX out. Nothing is kept."""
        data = await read_body(request, most_upload_bytes, settings.body_seconds)
        return await asyncio.to_thread(_of_bytes, data)

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
