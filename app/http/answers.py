"""A refusal becomes an answer: the one place where it is given a status, and counted."""

import logging
from collections.abc import Mapping

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.http.headers import secured
from app.protocol.refusal import ERROR_CODES, Code, Refused
from app.protocol.shown import SHOWN, shown
from app.telemetry.logs import name_connection
from app.telemetry.metrics import Metrics

log = logging.getLogger("unrolled.http")

_STATUS: Mapping[str, int] = {
    "broken_json": 400,
    "token_needed": 401,
    "foreign_origin": 403,
    "body_too_slow": 408,
    "body_too_large": 413,
    "unknown_model": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "bad_request": 400,
    "not_installed": 501,
    "not_offered": 501,
    "busy": 503,
    "store_full": 507,
    "failed": 500,
}


def status_of(code: Code) -> int:
    """The HTTP status of a refusal with this code."""
    return _STATUS.get(code, 422)


def told(refused: Refused, metrics: Metrics, status: int | None = None) -> Response:
    """The answer to a request that is refused, which is counted."""
    metrics.refusals.labels(reason=refused.code).inc()
    return answer(refused, status)


def answer(refused: Refused, status: int | None = None) -> Response:
    """A refusal as an answer, of its code's status unless another is given."""
    headers = {} if refused.retry_after is None else {"Retry-After": str(refused.retry_after)}
    body = orjson.dumps({"code": refused.code, "field": refused.field, "detail": refused.detail})
    return Response(body, status or status_of(refused.code), headers, "application/json")


def install(app: FastAPI, metrics: Metrics) -> None:
    """Make every error of `app` answer in the shape of Problem, and count it."""

    async def on_refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return told(error, metrics)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        codes: dict[int, Code] = {404: "not_found", 405: "method_not_allowed"}
        code = codes.get(error.status_code, "bad_request" if error.status_code < 500 else "failed")
        response = told(Refused(code, "", str(error.detail)[:SHOWN]), metrics, error.status_code)
        response.headers.update(error.headers or {})
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if code == "method_not_allowed" and path in (described := app.openapi()["paths"]):
            response.headers["Allow"] = ", ".join(map(str.upper, described[path]))  # the router knows one route's only
        return response

    async def on_parameters(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])[: 2 * SHOWN]
        detail = f"{field}: {first['msg']}, not {shown(first.get('input'))}"
        return told(Refused(ERROR_CODES.get(first["type"], "wrong_type"), field, detail), metrics)

    async def on_bug(request: Request, error: Exception) -> Response:
        name = name_connection()  # of what uvicorn logs of it too
        log.error("a request failed", extra={"method": request.method, "path": request.url.path})
        detail = f"the server failed; this is our mistake, not yours (connection {name})"
        return secured(told(Refused("failed", "", detail), metrics))

    app.add_exception_handler(Refused, on_refused)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_parameters)
    app.add_exception_handler(Exception, on_bug)
