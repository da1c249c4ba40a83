"""Measured: how long requests take, and how late the event loop comes to what is due."""

import asyncio
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.telemetry.metrics import Metrics

METHODS = {"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"}

LOOK_SECONDS = 0.5


class Measured:
    """ASGI middleware: every answer's time, by the route that gave it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._seconds = metrics.request_seconds
        self._known: dict[tuple[str, str, int], Any] = {}  # looking a histogram up by its labels takes 3 µs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began = perf_counter()
        status = 500

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        finally:
            route = scope.get("route")
            path: str = "none" if route is None else route.path
            key = scope["method"] if scope["method"] in METHODS else "other", path, status
            if key not in self._known:
                labels = dict(zip(("method", "route", "status"), map(str, key), strict=True))
                self._known[key] = self._seconds.labels(**labels)
            self._known[key].observe(perf_counter() - began)


async def measure_lag(metrics: Metrics) -> None:
    """Observe the event loop's lag for ever."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK_SECONDS
        await asyncio.sleep(LOOK_SECONDS)
        metrics.loop_lag_seconds.observe(loop.time() - due)
