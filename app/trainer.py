"""The one place where the event loop and the training threads meet."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar, TypeVarTuple

from app.fair_thread import FairThread
from app.metrics import Metrics
from app.tensorflow_process import TensorFlowProcess
from model.checkpoint import Checkpoint
from model.play import PlayState, View
from model.recipe import Change, Framework, Recipe
from model.training import Diverged, Learner, Update

TURN_SECONDS = 0.008
"""How long one viewer may hold the training thread before the next one's turn."""

ALONE_SECONDS = 0.025
"""How long where nobody waits: each turn costs a way to the event loop and back."""

SWITCH_SECONDS = 0.0005
"""How soon Python's interpreter lock passes from training to the event loop; its default of 5 ms is felt in p99."""

A = TypeVarTuple("A")
R = TypeVar("R")


@dataclass(frozen=True)
class Turn:
    """What came of one viewer's turn on the training thread."""

    updates: list[Update]
    diverged: Diverged | None = None


class _Owner:
    """Whose account a turn is on."""


class Trainer:
    """Owns the training threads. Whoever awaits it leaves the event loop free.

    Of those who wait for a turn, whoever has had least of it goes first: a run that catches up slows no other.

    TensorFlow's runs have a thread of their own, which waits for TensorFlow's process: PyTorch's runs do not.
    """

    def __init__(self, metrics: Metrics) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        self._metrics = metrics
        self._owner = _Owner()
        self._tensorflow = TensorFlowProcess()
        self._threads: dict[Framework, FairThread] = {
            "torch": FairThread("training"),
            "tensorflow": FairThread("training-tensorflow"),
        }

    def seat(self) -> "Trainer":
        """The same threads, on an account of its own: what one connection asks for costs no other its turns."""
        seat = copy(self)
        seat._owner = _Owner()
        return seat

    async def begin(self, recipe: Recipe, weights: Checkpoint | None, changes: Sequence[Change]) -> Learner:
        """A new run. Raises what Learner raises."""
        make = self._tensorflow.program
        return await self._call(recipe, lambda: Learner(recipe, weights, changes, tensorflow=make))

    async def resume(self, data: bytes) -> tuple[Learner, PlayState | None]:
        """A run that goes on from a checkpoint's bytes, and how it was played.

        Raises CheckpointError, or what Learner.resume raises.
        """
        checkpoint = await self._call(Recipe(), Checkpoint.from_bytes, data)
        make = self._tensorflow.program
        learner = await self._call(checkpoint.recipe, lambda: Learner.resume(checkpoint, tensorflow=make))
        return learner, checkpoint.run.played

    async def change(self, learner: Learner, fields: dict[str, object], after: int | None) -> Change:
        """Set live fields. Raises what Learner.change raises."""
        return await self._call(learner.recipe, learner.change, fields, after)

    async def checkpoint(self, learner: Learner, played: PlayState) -> bytes:
        return await self._call(learner.recipe, lambda: learner.checkpoint(played).to_bytes())

    async def advance(self, learner: Learner, most: int, views: AbstractSet[View], stop_at: int = 0) -> Turn:
        """At least one update and at most `most`, as far as one turn reaches and not past update `stop_at`."""
        return await self._call(learner.recipe, self._advance, learner, most, views, stop_at)

    def close(self) -> None:
        self._tensorflow.close()
        for thread in self._threads.values():
            thread.close()

    def _advance(self, learner: Learner, most: int, views: AbstractSet[View], stop_at: int) -> Turn:
        updates: list[Update] = []
        diverged = None
        thread = self._threads[learner.recipe.framework]
        began = last = perf_counter()
        while len(updates) < most and last - began < (TURN_SECONDS if thread.is_wanted else ALONE_SECONDS):
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

    async def _call(self, recipe: Recipe, work: Callable[[*A], R], *args: *A) -> R:
        return await asyncio.wrap_future(self._threads[recipe.framework].submit(self._owner, work, *args))
