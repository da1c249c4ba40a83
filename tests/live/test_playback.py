"""When a viewer is given a checkpoint that it did not ask for, with a clock made of numbers."""

from types import SimpleNamespace
from typing import Any

import pytest

from app.live.pacing import Timing
from app.live.playback import KEEP_UPDATES, Playback
from model.play import PlayState
from model.recipe import Recipe


class Played:
    """A run, how it is played, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.run: Any = SimpleNamespace(update=0, recipe=Recipe())
        self.playback = Playback(self.run, PlayState(pace="max"), 0, False, Timing(clock=lambda: self.now))

    def kept_in(self, seconds: float, per_second: int) -> list[float]:
        """When a checkpoint is handed over, of a run that goes on so fast for so long; looked at each millisecond."""
        kept = []
        for tick in range(1, round(1000 * seconds) + 1):
            self.now = tick / 1000
            self.run.update = per_second * tick // 1000
            if self.playback.until_checkpoint() == 0:
                self.playback.kept()
                kept.append(self.now)
        return kept


@pytest.mark.parametrize(
    ("per_second", "apart"), [(50_000, 0.5), (1_001, 0.5), (900, KEEP_UPDATES / 900), (200, 2.5), (20, 5.0), (1, 5.0)]
)
def test_checkpoints_keep_half_a_second_then_500_updates_then_5_seconds_apart(per_second: int, apart: float) -> None:
    kept = Played().kept_in(21.0, per_second)
    assert len(kept) == int(21.0 / apart) or apart == pytest.approx(KEEP_UPDATES / per_second)
    assert [later - earlier for earlier, later in zip([0.0, *kept], kept, strict=False)] == pytest.approx(
        [apart] * len(kept), abs=0.002
    )


def test_a_run_that_rests_has_no_checkpoint_to_come() -> None:
    played = Played()
    assert played.playback.until_checkpoint() is None
    played.run.update = 1
    assert played.playback.until_checkpoint() == 5.0
    played.run.update = KEEP_UPDATES
    assert played.playback.until_checkpoint() == 0.5
    played.playback.kept()
    assert played.playback.until_checkpoint() is None
