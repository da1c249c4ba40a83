"""A few of the hostile checkpoints of `make fuzz`, the same ones each time."""

import pytest

from tests.fuzz.cases import hold
from tests.fuzz.hostile import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_checkpoint_is_refused_in_a_sentence_or_goes_on(kind: str) -> None:
    assert hold(kind, 7, at_random=False).total() > 3
