"""The short way to an endpoint that is asked thousands of times a second."""

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.answers import told
from app.protocol.refusal import Refused
from app.routes.predict import Endpoint
from app.telemetry.metrics import Metrics


class Shortcut:
    """ASGI middleware: a POST to `path` goes to its endpoint at once, past the layers that look for a route.

    The route is there all the same. It describes the endpoint, refuses other methods, and answers under a prefix.
    """

    def __init__(self, app: ASGIApp, path: str, endpoint: Endpoint, metrics: Metrics) -> None:
        self.app = app
        self._path = path
        self._route = Route(path, endpoint)
        self._endpoint = endpoint
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        scope["route"] = self._route
        try:
            response = await self._endpoint(Request(scope, receive))
        except Refused as refused:
            response = told(refused, self._metrics)
        await response(scope, receive, send)
