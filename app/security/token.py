"""The token that an operator may ask of everyone: programs have it in a header, browsers a proof of it in a cookie."""

import asyncio
import hmac
import html
import json
import logging
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.answers import told
from app.http.bodies import read_body
from app.http.headers import policy
from app.protocol.refusal import Refused
from app.telemetry.metrics import Metrics

log = logging.getLogger("unrolled.door")

STATIC = Path(__file__).parents[2] / "static"

COOKIE_SECONDS = 30 * 86_400
CLOSE_CODE, CLOSE_REASON = 1008, "token_needed: this server asks for a token"
CLOSE_SECONDS = 1.0

PAGES = frozenset({"/", "/docs"})
"""The paths that people type into a browser: there they are asked for the token, and may give it."""

OPEN = frozenset(
    {"/healthz", "/readyz", "/static/style.css", "/static/token.css", "/static/token.js", "/static/favicon.svg"}
)
"""The paths that need none: the probes, which tell nothing of use, and what the page that asks for it is made of."""

MOST_FORM_BYTES = 2048
FORM_SECONDS = 10

_IN_QUERY = re.compile(rb"(?:^|&)token=")
_WORD = re.compile(r"\{\{(\w+)\}\}")


def describe(app: FastAPI) -> None:
    """Tell whoever reads the OpenAPI description that all routes ask for a token, and which ask for none."""
    described = app.openapi()  # kept by FastAPI, so this is what is served
    described.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    described["security"] = [{"token": []}]
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in described["paths"].items():
        for operation in operations.values():
            if path in OPEN:
                operation["security"] = []
            else:
                operation["responses"]["401"] = {"description": "refused: token_needed", "content": problem}


class Lock:
    """ASGI middleware: nothing of the app answers, over HTTP or websockets, without the token.

    Tries are not counted: with 16 characters there are too many to guess. The token is in no answer and in no log.
    """

    def __init__(self, app: ASGIApp, token: str, metrics: Metrics) -> None:
        self.app = app
        self._token = token.encode()
        # a cookie that is read somewhere does not tell the token, and another token makes it void
        proof = hmac.new(self._token, b"unrolled: a browser's cookie", "sha256").hexdigest()
        # a host's ports share their cookies: that of another server must not take this one's place
        self._cookie, self._proof = f"unrolled-{proof[:8]}", proof
        self._metrics = metrics
        self._page = (STATIC / "token.html").read_text("utf-8")
        self._words = {
            language: json.loads((STATIC / "i18n" / f"{language}.json").read_text("utf-8")) for language in ("en", "zh")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["type"] == "http" and path in PAGES and _IN_QUERY.search(scope["query_string"]):
            return await (await self._answer(Request(scope, receive), path))(scope, receive, send)
        if path in OPEN or self._is_let_in(scope):
            return await self.app(scope, receive, send)
        if scope["type"] == "websocket":
            return await self._turn_away(WebSocket(scope, receive, send))
        await (await self._answer(Request(scope, receive), path))(scope, receive, send)

    def _is_let_in(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"authorization":
                scheme, _, given = value.partition(b" ")
                if scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token):
                    return True
            elif name == b"cookie":
                for cookie in value.split(b";"):
                    key, _, given = cookie.strip().partition(b"=")
                    if key == self._cookie.encode() and hmac.compare_digest(given, self._proof.encode()):
                        return True
        return False

    async def _answer(self, request: Request, path: str) -> Response:
        """To somebody who gives the token in the address or in the form, or who does not have it."""
        query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if given:
            request.scope["query_string"] = b""  # uvicorn's own log of requests reads it here when the answer begins
        if path not in PAGES:
            return self._refused(request, path)
        if request.method == "POST":
            try:
                body = await read_body(request, MOST_FORM_BYTES, FORM_SECONDS)
            except Refused as refused:
                return told(refused, self._metrics)
            given = [value for name, value in parse_qsl(body.decode("latin-1")) if name == "token"]
        if any(hmac.compare_digest(value.encode(), self._token) for value in given):
            return self._let_in(request.scope, path, urlencode([pair for pair in query if pair[0] != "token"]))
        return self._refused(request, path, is_wrong=bool(given))

    def _let_in(self, scope: Scope, path: str, query: str) -> Response:
        # relative, as everything in the page: a proxy may have taken a prefix away. The browser keeps what is behind #
        address = f"./{path[1:]}" + (f"?{query}" if query else "")
        response = Response(status_code=303, headers={"Location": address, "Cache-Control": "no-store"})
        # no path: that of the address then, which the browser knows and we may not
        response.set_cookie(
            self._cookie,
            self._proof,
            max_age=COOKIE_SECONDS,
            path=None,
            secure=scope["scheme"] == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    def _refused(self, request: Request, path: str, is_wrong: bool = False) -> Response:
        _note(request, is_wrong)
        detail = "this server asks for a token: send it as `Authorization: Bearer …`"
        response = told(Refused("token_needed", "", detail), self._metrics)
        if path in PAGES and "text/html" in request.headers.get("accept", ""):
            response = HTMLResponse(self._page_for(request, is_wrong), 401)
            response.headers["Content-Security-Policy"] = policy(form_action="'self'")
            # with none at all the form would not say where it comes from
            response.headers["Referrer-Policy"] = "same-origin"
        response.headers["WWW-Authenticate"] = "Bearer"
        response.headers["Cache-Control"] = "no-store"
        return response

    def _page_for(self, request: Request, is_wrong: bool) -> str:
        wanted = request.query_params.get("lang", "") + "," + request.headers.get("accept-language", "")[:200]
        languages = re.findall(r"\b(en|zh)\b", wanted.lower())
        language = languages[0] if languages else "en"
        words = self._words[language]
        # Behind a link on another site the browser keeps the cookie to itself, but not when the page asks anew.
        is_from_afar = request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site"
        holes = {
            "lang": language,
            "again": '<script src="static/token.js"></script>' if is_from_afar else "",
            "trouble": html.escape(words["token.wrong"]) if is_wrong else "",
            **{name: html.escape(words[f"token.{name}"]) for name in ("title", "needed", "label", "enter", "programs")},
        }
        return _WORD.sub(lambda hole: holes[hole[1]], self._page)

    async def _turn_away(self, socket: WebSocket) -> None:
        # accepted even so: a browser is shown no code of a socket that never opened
        await socket.accept()
        self._metrics.refusals.labels(reason="token_needed").inc()
        _note(socket)
        with suppress(TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
            async with asyncio.timeout(CLOSE_SECONDS):
                await socket.close(CLOSE_CODE, CLOSE_REASON)


def _note(asks: HTTPConnection, is_wrong: bool = False) -> None:
    address = asks.client.host if asks.client else ""
    about = {
        "reason": "token is wrong" if is_wrong or "authorization" in asks.headers else "no token",
        "path": asks.url.path[:200],
        "address": address,
    }
    log.info("turned away", extra=about)
