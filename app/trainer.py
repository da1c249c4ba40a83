"""The one place where the event loop and the training threads meet."""

import asyncio
import sys
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

from app.fair_thread import FairThread, Piece
from app.metrics import Metrics
from app.tensorflow_process import TensorFlowProcess
from model.checkpoint import Checkpoint
from model.fleet import Fleet
from model.play import PlayState, View
from model.recipe import Change, Framework, Recipe
from model.training import Diverged, Learner, Update, advance_together

TURN_SECONDS = 0.008
"""How long those whose turn it is may hold the training thread before others' turn."""

ALONE_SECONDS = 0.025
"""How long where nobody waits: each turn costs a way to the event loop and back."""

SWITCH_SECONDS = 0.0005
"""How soon Python's interpreter lock passes from training to the event loop; its default of 5 ms is felt in p99."""

USUAL_WEIGHT = 20.0
"""Of what is no update: as of a run at the usual pace. Where all the machine's time is asked for, it goes by weight."""

LEAST_WEIGHT = 1.0
"""Of updates that are wanted as soon as may be, and no sooner: they have what those with a pace leave."""

R = TypeVar("R")


@dataclass
class Turn:
    """What came of one viewer's turn on the training thread."""

    updates: list[Update] = field(default_factory=list)
    diverged: Diverged | None = None


@dataclass
class _Call:
    """Work of any kind, for one."""

    do: Callable[[], Any]
    loop: AbstractEventLoop
    future: "Future[Any]"


@dataclass
class _Advance:
    """A turn of one learner at training."""

    learner: Learner
    most: int
    views: AbstractSet[View]
    stop_at: int
    loop: AbstractEventLoop
    future: "Future[Any]"
    turn: Turn = field(default_factory=Turn)
    seconds: float = 0.0

    @property
    def goes_on(self) -> bool:
        done = len(self.turn.updates)
        stops = done > 0 and self.learner.update == self.stop_at
        return done < self.most and not stops and self.turn.diverged is None


class Trainer:
    """Owns the training threads. Whoever awaits it leaves the event loop free.

    Of those who wait for a turn, whoever has had least of it goes first, and all whose turn it is advance together: a
    run that catches up slows no other. TensorFlow's runs have a thread of their own, which waits for TensorFlow's
    process: PyTorch's runs do not.
    """

    def __init__(self, metrics: Metrics) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        self._metrics = metrics
        self._fleet = Fleet()
        self._tensorflow = TensorFlowProcess()
        self._threads: dict[Framework, FairThread[_Call | _Advance]] = {
            "torch": FairThread("training", self._carry_out, _give_up, TURN_SECONDS),
            "tensorflow": FairThread("training-tensorflow", self._carry_out, _give_up, TURN_SECONDS),
        }
        self._asked: list[Piece[_Call | _Advance]] = []  # in this turn of the event loop
        self._seconds = 0.0  # of the newest update on this account

    def seat(self) -> "Trainer":
        """The same threads, on an account of its own: what one connection asks for costs no other its turns."""
        seat = copy(self)
        seat._seconds = 0.0
        return seat

    async def begin(self, recipe: Recipe, weights: Checkpoint | None, changes: Sequence[Change]) -> Learner:
        """A new run. Raises what Learner raises."""
        torch, tensorflow = self._fleet.join, self._tensorflow.program
        return await self._call(recipe, lambda: Learner(recipe, weights, changes, torch, tensorflow))

    async def resume(self, data: bytes) -> tuple[Learner, PlayState | None]:
        """A run that goes on from a checkpoint's bytes, and how it was played.

        Raises CheckpointError, or what Learner.resume raises.
        """
        checkpoint = await self._call(Recipe(), lambda: Checkpoint.from_bytes(data))
        torch, tensorflow = self._fleet.join, self._tensorflow.program
        learner = await self._call(checkpoint.recipe, lambda: Learner.resume(checkpoint, torch, tensorflow))
        return learner, checkpoint.run.played

    async def change(self, learner: Learner, fields: dict[str, object], after: int | None) -> Change:
        """Set live fields. Raises what Learner.change raises."""
        return await self._call(learner.recipe, lambda: learner.change(fields, after))

    async def checkpoint(self, learner: Learner, played: PlayState) -> bytes:
        return await self._call(learner.recipe, lambda: learner.checkpoint(played).to_bytes())

    async def advance(
        self, learner: Learner, most: int, views: AbstractSet[View], stop_at: int = 0, weight: float = USUAL_WEIGHT
    ) -> Turn:
        """At least one update and at most `most`, as far as one turn reaches and not past update `stop_at`."""
        loop = asyncio.get_running_loop()
        asked = _Advance(learner, most, views, stop_at, loop, loop.create_future())
        joins = learner.recipe.framework == "torch"
        piece = Piece[_Call | _Advance](self, weight, asked, self._seconds, joins)
        if joins:
            self._asked.append(piece)
            if len(self._asked) == 1:
                loop.call_soon(self._submit)
        else:
            self._threads["tensorflow"].submit([piece])
        turn: Turn = await asked.future
        self._seconds = asked.seconds / max(1, len(turn.updates))
        return turn

    def _submit(self) -> None:
        """Whoever is due in the same turn of the event loop begins together."""
        self._threads["torch"].submit(self._asked)
        self._asked.clear()

    @property
    def busy_seconds(self) -> float:
        """How long PyTorch's runs have kept their thread at work."""
        return self._threads["torch"].busy_seconds

    def close(self) -> None:
        self._tensorflow.close()
        for thread in self._threads.values():
            thread.close()

    async def _call(self, recipe: Recipe, work: Callable[[], R]) -> R:
        loop = asyncio.get_running_loop()
        call = _Call(work, loop, loop.create_future())
        self._threads[recipe.framework].submit([Piece(self, USUAL_WEIGHT, call)])
        result: R = await call.future
        return result

    # ---------------------------------------------------------------- on the training thread

    def _carry_out(self, works: Sequence[_Call | _Advance]) -> Sequence[float]:
        began = perf_counter()
        try:
            if isinstance(call := works[0], _Call):  # which joins nothing
                result = None if call.future.cancelled() else call.do()
                _tell(works, _settle, [(call.future, result)])
                return [perf_counter() - began]
            advances = [work for work in works if isinstance(work, _Advance)]
            self._advance([work for work in advances if not work.future.cancelled()], began)
            _tell(works, _settle, [(work.future, work.turn) for work in advances])
            return [work.seconds for work in advances]
        except BaseException as error:
            _tell(works, _fail, [work.future for work in works], error)
            return [(perf_counter() - began) / len(works)] * len(works)

    def _advance(self, works: Sequence[_Advance], began: float) -> None:
        """Update by update together, until the turn is over or nobody wants another."""
        last = began
        while works and last - began < (TURN_SECONDS if self._is_wanted(works[0]) else ALONE_SECONDS):
            made = advance_together([(work.learner, work.views) for work in works])
            now = perf_counter()
            _account(works, made, now - last)
            self._metrics.updates.inc(sum(isinstance(one, Update) for one in made))
            self._metrics.tick_seconds.observe(now - last)
            last = now
            works = [work for work in works if work.goes_on]

    def _is_wanted(self, work: _Advance) -> bool:
        return self._threads[work.learner.recipe.framework].is_wanted


def _account(works: Sequence[_Advance], made: Sequence[Update | Diverged], seconds: float) -> None:
    """Note what each made and what that cost: its own share of the maths, and of the rest as much as any other's."""
    own = [sum(one.milliseconds.values()) / 1e3 if isinstance(one, Update) else 0.0 for one in made]
    rest = max(0.0, seconds - sum(own)) / len(works)
    for work, one, cost in zip(works, made, own, strict=True):
        work.seconds += cost + rest
        if isinstance(one, Update):
            work.turn.updates.append(one)
        else:
            work.turn.diverged = one


def _tell(works: Sequence[_Call | _Advance], what: Callable[..., None], *args: Any) -> None:
    """Once for all: to wake the event loop costs more than to be woken with much to do."""
    with suppress(RuntimeError):  # the loop is closed: nobody waits
        works[0].loop.call_soon_threadsafe(what, *args)


def _settle(results: Sequence[tuple["Future[Any]", Any]]) -> None:
    for future, result in results:
        if not future.done():
            future.set_result(result)


def _fail(futures: Sequence["Future[Any]"], error: BaseException) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)


def _give_up(work: _Call | _Advance) -> None:
    with suppress(RuntimeError):
        work.loop.call_soon_threadsafe(work.future.cancel)
