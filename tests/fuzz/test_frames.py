"""`make fuzz`: hostile bytes on the sockets of a live server."""

from collections.abc import Callable

import pytest

from tests.conftest import Server
from tests.fuzz.frames import hold

CASES = {"frames": 16_000, "requests": 12_000, "texts": 24_000}
NAMES = {"frames": "frames", "requests": "handshakes and requests", "texts": "messages"}
PARTS = 4


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("part", range(PARTS))
def test_nonsense_is_refused_by_its_name_or_closed_with_its_code(
    server: Server, kind: str, part: int, record_property: Callable[[str, object], None]
) -> None:
    outcomes = hold(kind, server.port, CASES[kind] // PARTS, at_random=True)
    record_property(f"cases: hostile {NAMES[kind]}", outcomes.total())
    assert outcomes.total() > 0.7 * CASES[kind] // PARTS
