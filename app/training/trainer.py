"""The one place where the event loop and the training processes meet."""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from itertools import count
from typing import get_args

from app.telemetry.metrics import Metrics
from app.training.child import Child
from app.training.link import Link, Run
from app.training.load import Load
from app.training.orders import (
    Advance,
    ApplyChange,
    Begin,
    Compare,
    CountRuns,
    Resume,
    TakeCheckpoint,
    Turn,
)
from model.checkpoint import Checkpoint, framework_of
from model.play import PlayState, View
from model.receipt import Receipt, Verdict
from model.recipe import Change, Framework, Recipe
from model.tensorflow.program import NotInstalled, is_installed

USUAL_WEIGHT = 20.0
"""The weight of an order that is no update: that of a run at the usual pace. Time that is short is shared by weight."""

LEAST_WEIGHT = 1.0
"""The weight of updates that have no pace, at pace max or in a replay: they get the time that others leave."""


class NotOffered(RuntimeError):
    """The recipe's framework is none of those that this server offers."""

    def __init__(self, framework: Framework, offered: Sequence[Framework]) -> None:
        super().__init__(f"Input should be one that this server offers ({', '.join(offered)}), not {framework}")


class Trainer:
    """Has runs begun, advanced, changed and saved by the training processes, while the event loop goes on.

    Of those who wait for a turn, whoever has had least of it goes first, and all whose turn it is advance together: a
    run that catches up slows no other. TensorFlow's runs have a process of their own, which starts with the first of
    them: importing it takes seconds and half a gigabyte. All others share the main one.

    Args:
        child: the main process, if it was started already.
        offered: the frameworks whose runs are taken in.
    """

    def __init__(
        self, metrics: Metrics, child: Child | None = None, offered: Sequence[Framework] = get_args(Framework)
    ) -> None:
        self._accounts = count()
        self._account = next(self._accounts)
        self._load = Load()
        self._offered = offered
        self._main = Link("main", metrics, self._load, child)
        self._of_tensorflow = Link("tensorflow", metrics, self._load, None)

    def on_an_account(self) -> "Trainer":
        """The same processes, on an account of its own: what one connection asks for costs no other its turns."""
        other = copy(self)
        other._account = next(self._accounts)
        return other

    async def start(self) -> None:
        """Returns when the main process is there. Raises ProcessLost."""
        await self._main.open()
        await self._count(self._main)

    async def lost(self) -> None:
        """Returns when the main process is not there, at once or later."""
        await self._main.lost()

    async def count(self, framework: Framework) -> int:
        """How many runs its process holds; answered once that has started. Raises ProcessLost."""
        return await self._count(await self._link(framework))

    async def _count(self, link: Link) -> int:
        return await link.call(CountRuns(*self._next(link)))

    async def begin(self, recipe: Recipe, weights: Checkpoint | None, changes: Sequence[Change]) -> Run:
        """A new run. Raises what Learner raises, NotOffered, or ProcessLost."""
        link = await self._link(recipe.framework)
        return await link.take_in(Begin(*self._next(link), link.next_number(), recipe, weights, tuple(changes)))

    async def resume(self, data: bytes) -> tuple[Run, PlayState | None]:
        """A run that goes on from a checkpoint's bytes, and how it was played.

        Raises CheckpointError, or what Learner.resume raises, NotOffered, or ProcessLost.
        """
        link = await self._link(await asyncio.to_thread(framework_of, data))
        run = await link.take_in(Resume(*self._next(link), link.next_number(), data))
        return run, run.was_played

    def let_go(self) -> None:
        """Tell the processes of runs that nobody holds any more."""
        for link in (self._main, self._of_tensorflow):
            link.let_go()

    async def change(self, run: Run, fields: dict[str, object], after: int | None) -> Change:
        """Set live fields. Raises what Learner.change raises, or ProcessLost."""
        Change.model_validate({**fields, "after_update": run.update if after is None else after})
        link = run.link_there()
        change, run.changes = await link.call(ApplyChange(*self._next(link), run.number, fields, after))
        return change

    async def checkpoint(self, run: Run, played: PlayState) -> bytes:
        """The run at rest, with how it was played. Raises ProcessLost."""
        link = run.link_there()
        return await link.call(TakeCheckpoint(*self._next(link), run.number, played))

    async def compare(self, run: Run, receipt: Receipt) -> Verdict:
        """Hold what the run has made against a receipt. Raises ProcessLost."""
        link = run.link_there()
        return await link.call(Compare(*self._next(link), run.number, receipt))

    async def advance(
        self, run: Run, most: int, views: AbstractSet[View], stop_at: int = 0, weight: float = USUAL_WEIGHT
    ) -> Turn:
        """At least one update and at most `most`, as far as one turn reaches and not past update `stop_at`.

        Raises ProcessLost.
        """
        link = run.link_there()
        order = Advance(link.next_number(), self._account, weight, run.number, most, frozenset(views), stop_at)
        turn = await link.advance(order)
        run.update = turn.update
        return turn

    @property
    def is_loaded(self) -> bool:
        """Whether messages should travel together."""
        return self._load.is_high

    def close(self) -> None:
        for link in (self._main, self._of_tensorflow):
            link.close()

    async def _link(self, framework: Framework) -> Link:
        if framework not in self._offered:
            raise NotOffered(framework, self._offered)
        if framework == "tensorflow" and not is_installed():
            raise NotInstalled()
        link = self._of_tensorflow if framework == "tensorflow" else self._main
        await link.open()
        return link

    def _next(self, link: Link) -> tuple[int, int, float]:
        """Number, account and weight of an order that is no update."""
        return link.next_number(), self._account, USUAL_WEIGHT
