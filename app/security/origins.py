"""Which pages may open a websocket here. Browsers send Origin; CORS does not cover websockets."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers


def is_allowed(headers: Headers, others: Collection[str]) -> bool:
    """Whether a handshake comes from this server's own page, from a listed origin, or from no browser at all.

    The page's own origin is recognised by its host alone: behind a proxy that ends TLS the scheme differs.
    """
    said = headers.getlist("origin")
    if len(said) > 1:
        return False  # no browser does that
    origin = said[0] if said else None
    if origin is None or origin.rstrip("/").lower() in {other.lower() for other in others}:
        return True
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc != "" and parts.netloc == headers.get("host", "").lower()
