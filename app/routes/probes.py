"""GET /healthz, /readyz and /metrics: asked by machines."""

import asyncio

from fastapi import APIRouter, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from app.protocol.probes import Health, Status
from app.telemetry.metrics import Metrics
from app.training.readiness import Readiness


def routes(metrics: Metrics, readiness: Readiness) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz", summary="Is the process alive?", response_model=Health)
    async def healthz() -> Response:
        """Answers as long as the event loop turns."""
        return _health("ok", 200)

    @router.get(
        "/readyz",
        summary="Should traffic come here?",
        response_model=Health,
        responses={503: {"model": Health, "description": "not yet, not now, or no longer"}},
    )
    async def readyz() -> Response:
        """200 while more may come: not before everything is loaded, nor in a full server, nor in one that stops."""
        status = readiness.status
        return _health(status, 200 if status == "ok" else 503)

    @router.get(
        "/metrics",
        summary="Prometheus metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "counters, gauges and histograms"}},
    )
    async def exposition() -> Response:
        """Counters and histograms in Prometheus' text format."""
        metrics.readiness.state(readiness.status)
        metrics.tasks.set(len(asyncio.all_tasks()))  # counted where the loop is
        return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def _health(status: Status, code: int) -> Response:
    return Response(Health(status=status).model_dump_json(), code, {"Cache-Control": "no-store"}, "application/json")
