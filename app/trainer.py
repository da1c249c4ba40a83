"""The one place where the event loop and the training thread meet."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar, TypeVarTuple

from app.metrics import Metrics
from model.checkpoint import Checkpoint
from model.recipe import Change, Recipe
from model.training import Diverged, Learner, Update, View

TURN_SECONDS = 0.008
"""How long one viewer may hold the training thread before the next one's turn."""

SWITCH_SECONDS = 0.0005
"""How soon Python's interpreter lock passes from training to the event loop; its default of 5 ms is felt in p99."""

A = TypeVarTuple("A")
R = TypeVar("R")


@dataclass(frozen=True)
class Turn:
    """What came of one viewer's turn on the training thread."""

    updates: list[Update]
    diverged: Diverged | None = None


class Trainer:
    """Owns the training thread. Whoever awaits it leaves the event loop free; turns are taken in order of asking."""

    def __init__(self, metrics: Metrics) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, "training")

    async def begin(self, recipe: Recipe, weights: Checkpoint | None, changes: Sequence[Change]) -> Learner:
        """A new run. Raises what Learner raises."""
        return await self._call(Learner, recipe, weights, changes)

    async def resume(self, data: bytes) -> Learner:
        """A run that goes on from a checkpoint's bytes. Raises CheckpointError, or ValueError if it is no run."""
        return await self._call(lambda: Learner.resume(Checkpoint.from_bytes(data)))

    async def change(self, learner: Learner, fields: dict[str, object]) -> Change:
        """Set live fields. Raises what Learner.change raises."""
        return await self._call(learner.change, fields)

    async def checkpoint(self, learner: Learner) -> bytes:
        return await self._call(lambda: learner.checkpoint().to_bytes())

    async def advance(self, learner: Learner, most: int, views: AbstractSet[View], stop_at: int = 0) -> Turn:
        """At least one update and at most `most`, as far as one turn reaches and not past update `stop_at`."""
        return await self._call(self._advance, learner, most, views, stop_at)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _advance(self, learner: Learner, most: int, views: AbstractSet[View], stop_at: int) -> Turn:
        updates: list[Update] = []
        diverged = None
        began = last = perf_counter()
        while len(updates) < most and last - began < TURN_SECONDS:
            try:
                updates.append(learner.advance(views))
            except Diverged as failure:
                diverged = failure
                break
            now = perf_counter()
            self._metrics.update_seconds.observe(now - last)
            last = now
            if learner.update == stop_at:
                break
        self._metrics.updates.inc(len(updates))
        return Turn(updates, diverged)

    async def _call(self, work: Callable[[*A], R], *args: *A) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
