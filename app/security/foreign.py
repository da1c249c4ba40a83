"""Requests that a foreign page has a visitor's browser make: it needs leave to read the answers, none to send them."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.answers import told
from app.protocol.refusal import Refused
from app.security.origins import is_allowed
from app.settings import Settings
from app.telemetry.metrics import Metrics

_READING = ("GET", "HEAD", "OPTIONS")


class OwnPages:
    """ASGI middleware: models are stored, and work is done, for pages that may open a websocket and for no browser.

    Browsers name the page's origin with everything that is not mere reading.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self._allowed = settings.allowed_origins
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _READING or self._is_own(scope):
            return await self.app(scope, receive, send)
        refused = Refused("foreign_origin", "", "a page of another origin may not ask for this")
        await told(refused, self._metrics)(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        for name, _ in scope["headers"]:
            if name == b"origin":
                return is_allowed(Headers(scope=scope), self._allowed)
        return True
