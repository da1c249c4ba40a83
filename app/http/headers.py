"""The headers that tell browsers what they may do with an answer of this server."""

from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# No script but our own files', no eval. Plotly styles what it draws by attributes, and makes an empty style sheet that
# it fills through the DOM: the hash is that of no text at all. It saves pictures through blob: and data: URLs.
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "style-src-attr": "'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'self'",
}


def policy(**other: str) -> str:
    """The content security policy, with `other` sources for some of its directives: `form_action="'self'"`."""
    sources = _POLICY | {name.replace("_", "-"): value for name, value in other.items()}
    return "; ".join(f"{name} {value}" for name, value in sources.items())


SECURITY = {
    "content-security-policy": policy(),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "SAMEORIGIN",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

_RAW = [(name.encode(), value.encode()) for name, value in SECURITY.items()]


class SecurityHeaders:
    """ASGI middleware: every answer has the security headers. One that has some of its own keeps those."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_security(list(message.get("headers", [])))
            await send(message)

        return await self.app(scope, receive, send_with_headers)


def _with_security(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    own = {name for name, _ in headers}
    return [*headers, *(header for header in _RAW if header[0] not in own)]


def secured(response: Response) -> Response:
    """Give an answer the security headers: the one to a bug of ours, which is made outside of all middleware."""
    response.headers.update(SECURITY)
    return response
