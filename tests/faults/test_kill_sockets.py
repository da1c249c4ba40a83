"""`kill -9` under a plain socket: whoever keeps the newest checkpoint has the curve of a run never interrupted."""

from collections.abc import Callable

import pytest

from tests.faults.kills import survive
from tests.faults.servers import Servers


@pytest.mark.parametrize("pace", [20, "max"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_run_survives_kills_at_random_moments_to_the_bit(
    nursery: Servers, moments: int, cell: str, pace: float | str, record_property: Callable[[str, object], None]
) -> None:
    (follower,) = survive(nursery, [(cell, pace)], kills=4, seed=moments)
    for seconds in follower.recoveries:
        record_property("socket: process up to the next update", seconds)
