"""GET and POST /models, GET /models/{id}: the models that answer POST /predict."""

import asyncio

from fastapi import APIRouter, Request, Response

from app.http.bodies import read_body
from app.http.openapi import documented, documented_body, documented_path
from app.protocol.predict import ModelList, StoredModelSummary
from app.settings import Settings
from app.store.models import ModelStore
from model.checkpoint import MAX_BYTES


def routes(store: ModelStore, settings: Settings) -> APIRouter:
    router = APIRouter()
    most_upload_bytes = min(MAX_BYTES, settings.max_body_bytes)

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
