"""`make fuzz`: state machines over /ws/train and /ws/predict."""

from collections.abc import Callable

import pytest

from tests.conftest import Server
from tests.fuzz.machines import KINDS, hold

CASES = {"/ws/train": 6000, "/ws/predict": 6000}
PARTS = 4


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize("part", range(PARTS))
def test_any_order_of_messages_is_answered_as_the_protocol_says(
    server: Server, path: str, part: int, record_property: Callable[[str, object], None]
) -> None:
    steps = hold(path, server, CASES[path] // PARTS, at_random=True)
    record_property(f"cases: steps of a machine on {path}", steps.total())
    assert steps.total() > 0.7 * CASES[path] // PARTS
