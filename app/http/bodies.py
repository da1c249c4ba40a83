"""Bodies of requests: read whole, no further than their bound, and not for ever."""

import asyncio

from fastapi import Request

from app.protocol.refusal import Refused
from app.protocol.train import MAX_TEXT_BYTES
from app.settings import Settings


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
