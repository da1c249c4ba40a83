"""What the page knows of a server's limits before one has answered is what the server holds it to."""

import pytest

from app.live.pacing import Pacing
from app.protocol.train import MAX_AFTER, Open
from model.checkpoint import MAX_BYTES
from model.recipe import MOST_CHANGES
from tests.support.node import folded

LIMITS = "const limits = await import('/static/run/limits.js');"


def test_the_page_has_the_servers_limits() -> None:
    page = folded(f"{LIMITS} return [limits.MOST_AFTER, limits.MOST_BYTES, limits.MOST_CHANGES, limits.DEFAULT_PACE];")
    assert page == [MAX_AFTER, MAX_BYTES, MOST_CHANGES, Open.model_fields["pace"].default]


@pytest.mark.parametrize("pace", [0.2, 1, 15.9, 16, 16.1, 20, 33, 59.9, 60, "max"])
def test_the_page_knows_the_window_of_every_pace(pace: float) -> None:
    """A twin follows it: too large and the two would wait for each other, too small and one would run ahead."""
    value = f"'{pace}'" if pace == "max" else pace
    assert folded(f"{LIMITS} return limits.windowAt({value});") == Pacing(pace, True, 0, 0.0).window
