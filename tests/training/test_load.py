"""How busy the machine is, with clocks made of numbers."""

import pytest

from app.training import load
from app.training.load import HIGH, LOOK_SECONDS, LOW, Load


class Clocks:
    """Wall clock and processor time, set by hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.wall = self.cpu = 0.0
        patch.setattr(load, "monotonic", lambda: self.wall)
        patch.setattr(load, "process_time", lambda: self.cpu)

    def pass_(self, loop: float) -> None:
        """Let a bit more than a look's time pass, of which the event loop takes a share."""
        self.wall += 1.01 * LOOK_SECONDS
        self.cpu += loop * 1.01 * LOOK_SECONDS


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.mark.parametrize(("loop", "training"), [(0.9, 0.1), (0.1, 0.9)])
def test_either_of_event_loop_and_training_makes_it_high(clocks: Clocks, loop: float, training: float) -> None:
    busy = Load()
    assert not busy.is_high
    clocks.pass_(loop)
    busy.note(training * LOOK_SECONDS)
    assert busy.is_high


def test_it_stays_high_until_much_less_is_asked_for(clocks: Clocks) -> None:
    busy = Load()
    seen = []
    for share in (HIGH - 0.1, HIGH + 0.1, (HIGH + LOW) / 2, LOW - 0.1, (HIGH + LOW) / 2):
        clocks.pass_(0.0)
        busy.note(share * LOOK_SECONDS)
        seen.append(busy.is_high)
    assert seen == [False, True, True, False, False]


def test_a_moment_says_nothing(clocks: Clocks) -> None:
    busy = Load()
    busy.note(0.9 * LOOK_SECONDS)
    assert not busy.is_high
