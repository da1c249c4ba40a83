"""Who may open a websocket."""

import pytest
from starlette.datastructures import Headers

from app.security.origins import is_allowed


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "demo.example", True),
        ("http://demo.example", "demo.example", True),
        ("https://demo.example", "demo.example", True),
        ("https://DEMO.example", "demo.EXAMPLE", True),
        ("http://localhost:8000", "localhost:8000", True),
        ("http://localhost:8001", "localhost:8000", False),
        ("https://demo.example.evil.example", "demo.example", False),
        ("https://evil.example", "demo.example", False),
        ("https://demo.example@evil.example", "demo.example", False),
        ("null", "demo.example", False),
        ("file://", "demo.example", False),
        ("http://[broken", "demo.example", False),
        ("", "", False),
        ("https://school.example", "demo.example", True),
        ("https://school.example/", "demo.example", True),
    ],
)
def test_only_the_own_page_listed_origins_and_non_browsers_are_allowed(
    origin: str | None, host: str, allowed: bool
) -> None:
    headers = {"host": host} if origin is None else {"host": host, "origin": origin}
    assert is_allowed(Headers(headers), ["https://school.example"]) == allowed


def test_an_origin_without_a_host_or_two_of_them_are_not_allowed() -> None:
    assert not is_allowed(Headers({"origin": "http://"}), [])
    own = (b"origin", b"http://demo.example")
    both = [(b"host", b"demo.example"), own, (b"origin", b"http://evil.example")]
    assert not is_allowed(Headers(raw=both), [])
    assert is_allowed(Headers(raw=both[:2]), [])
