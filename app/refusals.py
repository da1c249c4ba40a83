"""A client's mistake becomes an answer: the one place where a refusal is worded and given a status."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from app.headers import secured
from app.logs import name_connection
from app.messages import MAX_TEXT_BYTES, Code, Problem
from app.metrics import Metrics
from app.settings import Settings
from app.shown import SHOWN, shown

log = logging.getLogger("unrolled.http")

M = TypeVar("M", bound=BaseModel)

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
    "busy": 503,
    "store_full": 507,
    "failed": 500,
}

# pydantic's error types that have a code of their own; all others are a wrong type
_CODES: Mapping[str, Code] = {
    "json_invalid": "broken_json",
    "missing": "missing",
    "extra_forbidden": "unknown_field",
    "finite_number": "not_finite",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "too_short": "out_of_range",
    "too_long": "out_of_range",
    "string_too_long": "out_of_range",
    "string_too_short": "out_of_range",
    "fields_disagree": "conflict",
    "conflict": "conflict",
    "pace": "out_of_range",
}


class Refused(Exception):
    """A request is not carried out. `code` decides the status unless one is given."""

    def __init__(
        self, code: Code, field: str, detail: str, status: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.code: Code = code
        self.field = field
        self.detail = detail
        self.status = status or _STATUS.get(code, 422)
        self.retry_after = retry_after  # seconds
        self.tag: int | None = None  # that of the websocket message which is refused, if it had one

    def response(self) -> Response:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        body = orjson.dumps({"code": self.code, "field": self.field, "detail": self.detail})
        return Response(body, self.status, headers, "application/json")

    @classmethod
    def of(cls, error: ValidationError, skip: int = 0) -> "Refused":
        """The first thing that pydantic found, in our words: it never repeats the input at length.

        `skip` leaves out the first parts of the field's name, such as a union's tag.
        """
        first = error.errors(include_url=False)[0]
        code = _CODES.get(first["type"], "wrong_type")
        field = ".".join(str(part) for part in first["loc"][skip:])[: 2 * SHOWN]
        if code == "broken_json":
            return cls(code, "", first["msg"][: 2 * SHOWN])
        if first["type"] == "fields_disagree":
            prefix = f"{field}." if field else ""
            field = ", ".join(prefix + first["ctx"][which] for which in ("first", "second"))
            return cls(code, field, first["msg"])
        if first["type"] == "conflict":
            return cls(code, ".".join(filter(None, (field, first["ctx"]["name"]))), first["msg"])
        return cls(code, field, f"{field or 'the body'}: {first['msg']}, not {shown(first['input'])}")


def checked(shape: type[M], body: bytes) -> M:
    """A JSON body as an object of this shape. Raises Refused, naming the field."""
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise Refused.of(error) from None


async def read_body(request: Request, most_bytes: int, seconds: float) -> bytes:
    """The whole body, read no further than `most_bytes`. Raises Refused."""
    announced = next((value for name, value in request.scope["headers"] if name == b"content-length"), b"")[:20]
    if announced.isdigit() and int(announced) > most_bytes:
        raise _too_large(most_bytes, f"{int(announced)} bytes are announced")
    pieces: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(seconds):
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise Refused("bad_request", "", "the connection closed before the whole body had come")
                pieces.append(message.get("body", b""))
                more = message.get("more_body", False)
                size += len(pieces[-1])
                if size > most_bytes:
                    raise _too_large(most_bytes, "more came")
    except TimeoutError:
        raise Refused("body_too_slow", "", f"the body has {seconds:g} s to arrive; {size} bytes did") from None
    return b"".join(pieces)


async def read_small_body(request: Request, settings: Settings) -> bytes:
    """A JSON body but that of /predict. Raises Refused."""
    return await read_body(request, min(MAX_TEXT_BYTES, settings.max_body_bytes), settings.body_seconds)


def _too_large(most_bytes: int, came: str) -> Refused:
    return Refused("body_too_large", "", f"a body may have {most_bytes} bytes; {came}")


def told(refused: Refused, metrics: Metrics) -> Response:
    """The answer to a request that is refused, which is counted."""
    metrics.refusals.labels(reason=refused.code).inc()
    return refused.response()


def install(app: FastAPI, metrics: Metrics) -> None:
    """Make every error of `app` answer in the shape of Problem, and count it."""

    async def on_refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return told(error, metrics)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        codes: dict[int, Code] = {404: "not_found", 405: "method_not_allowed"}
        code = codes.get(error.status_code, "bad_request" if error.status_code < 500 else "failed")
        response = told(Refused(code, "", str(error.detail)[:SHOWN], error.status_code), metrics)
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
        return told(Refused(_CODES.get(first["type"], "wrong_type"), field, detail), metrics)

    async def on_bug(request: Request, error: Exception) -> Response:
        name = name_connection()  # of what uvicorn logs of it too
        log.error("a request failed", extra={"method": request.method, "path": request.url.path})
        detail = f"the server failed; this is our mistake, not yours (connection {name})"
        return secured(told(Refused("failed", "", detail), metrics))

    app.add_exception_handler(Refused, on_refused)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_parameters)
    app.add_exception_handler(Exception, on_bug)


def documented(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may refuse with these codes, for OpenAPI."""
    assert set(codes) <= set(get_args(Code))
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(_STATUS.get(code, 422), []).append(code)
    return {
        status: {"model": Problem, "description": "refused: " + ", ".join(names)}
        for status, names in sorted(by_status.items())
    }


def documented_body(
    media_type: str, schema: dict[str, Any], examples: dict[str, Any] | None = None, required: bool = True
) -> dict[str, Any]:
    """The OpenAPI of a body that the route reads for itself, in place of FastAPI's own reading."""
    content: dict[str, Any] = {"schema": _whole(schema, schema.get("$defs", {}))}
    if examples:
        content["examples"] = examples
    return {"requestBody": {"required": required, "content": {media_type: content}}}


def documented_path(*names: str) -> dict[str, Any]:
    """The OpenAPI of parts of a path that the route reads for itself. FastAPI would add a 422 of a shape not ours."""
    return {
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    }


def _whole(schema: Any, shapes: Mapping[str, Any]) -> Any:
    """A schema without references: those that pydantic writes lead nowhere within an OpenAPI document."""
    if isinstance(schema, list):
        return [_whole(inner, shapes) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    found = _whole(shapes[schema["$ref"].removeprefix("#/$defs/")], shapes) if "$ref" in schema else {}
    return found | {name: _whole(inner, shapes) for name, inner in schema.items() if name not in ("$ref", "$defs")}
