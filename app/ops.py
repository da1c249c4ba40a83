"""What machines ask: /healthz, /readyz and /metrics."""

import asyncio
from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from app.messages import Health
from app.metrics import Metrics

Readiness = Literal["ok", "starting", "stopping"]


def routes(metrics: Metrics, readiness: Callable[[], Readiness]) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz", summary="Is the process alive?", response_model=Health)
    async def healthz() -> Response:
        """Answers as long as the event loop turns."""
        return _health("ok", 200)

    @router.get(
        "/readyz",
        summary="Should traffic come here?",
        response_model=Health,
        responses={503: {"model": Health, "description": "not yet, or no longer"}},
    )
    async def readyz() -> Response:
        """200 once everything is loaded, 503 before that and while the server stops."""
        status = readiness()
        return _health(status, 200 if status == "ok" else 503)

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def exposition() -> Response:
        """Counters and histograms in Prometheus' text format."""
        metrics.tasks.set(len(asyncio.all_tasks()))  # counted where the loop is
        return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def _health(status: Readiness, code: int) -> Response:
    return Response(Health(status=status).model_dump_json(), code, {"Cache-Control": "no-store"}, "application/json")
