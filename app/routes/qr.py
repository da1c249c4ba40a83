"""POST /qr: a text as a QR code, for the projector."""

import io
from typing import Any

import segno
from fastapi import APIRouter, Request, Response

from app.http.bodies import read_small_body
from app.http.one_by_one import OneByOne
from app.http.openapi import documented, documented_body
from app.protocol.refusal import Refused, checked
from app.protocol.tools import QR_EXAMPLES, QrRequest
from app.settings import Settings

QUIET_ZONE = 4
"""Modules of white around the code, as its standard asks for."""

MOST_WAITING = 8
"""Codes under way or waiting. The longest text takes 0.2 s, a usual link 0.02 s."""

_ANSWER: dict[int | str, dict[str, Any]] = {200: {"content": {"image/svg+xml": {}}, "description": "the code as SVG"}}


def routes(settings: Settings) -> APIRouter:
    router = APIRouter()
    line = OneByOne("qr", "codes", MOST_WAITING, retry_after=1)

    @router.post(
        "/qr",
        summary="Draw a text as a QR code",
        response_class=Response,
        responses={
            **_ANSWER,
            **documented("broken_json", "body_too_slow", "body_too_large", "missing", "unknown_field"),
            **documented("wrong_type", "out_of_range", "busy"),
        },
        openapi_extra=documented_body("application/json", QrRequest.model_json_schema(), QR_EXAMPLES),
    )
    async def qr(request: Request) -> Response:
        """A text in, such as the page's address with its link; an SVG out, dark on light, with its quiet zone."""
        asked = checked(QrRequest, await read_small_body(request, settings))
        return Response(await line.do(svg, asked.text), media_type="image/svg+xml")

    return router


def svg(text: str) -> bytes:
    """The smallest code that holds `text`, with all the error correction that fits in it. Raises Refused."""
    try:
        code = segno.make_qr(text, error="l", boost_error=True)
    except segno.DataOverflowError:
        size = len(text.encode())
        raise Refused("out_of_range", "text", f"text: {size} bytes are more than a QR code can hold") from None
    out = io.BytesIO()
    code.save(out, kind="svg", border=QUIET_ZONE, dark="#000", light="#fff", xmldecl=False, omitsize=True)
    return out.getvalue()
