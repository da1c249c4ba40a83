"""`make fuzz`: hostile checkpoints, each refused in a sentence or a run that goes on."""

from collections.abc import Callable

import pytest

from tests.fuzz.blobs import good
from tests.fuzz.cases import hold
from tests.fuzz.hostile import KINDS
from tests.fuzz.verdict import verdict

CASES = dict.fromkeys(KINDS, 1700) | {"bombs": 500}
"""Of some kinds there are not so many that differ."""


def test_those_that_are_made_hostile_are_valid_to_begin_with() -> None:
    outcomes = [verdict(blob) for blob in good()]
    assert outcomes[-2:] == ["a network", "refused"], "a network alone, and a run of TensorFlow's"
    assert set(outcomes[:-2]) == {"went on"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_each_is_refused_in_a_sentence_or_goes_on(kind: str, record_property: Callable[[str, object], None]) -> None:
    outcomes = hold(kind, CASES[kind], at_random=True)
    for outcome, count in outcomes.items():
        record_property(f"cases: hostile checkpoints that came to: {outcome}", count)
    assert outcomes.total() > 0.7 * CASES[kind]
