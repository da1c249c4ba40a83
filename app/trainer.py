"""The one place where the event loop and the training processes meet."""

import asyncio
import logging
import weakref
from asyncio import Future, Transport
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from itertools import count
from typing import Any

from app.child import Child, Frames, framed
from app.load import Load
from app.metrics import Metrics
from app.orders import Advance, Call, Done, Facts, Order, Turn
from model.checkpoint import Checkpoint, Earlier
from model.play import PlayState, View
from model.receipt import Receipt, Verdict
from model.recipe import Change, Framework, Recipe
from model.tensorflow_program import NotInstalled, is_installed

log = logging.getLogger("unrolled.live")

USUAL_WEIGHT = 20.0
"""Of what is no update: as of a run at the usual pace. Where all the machine's time is asked for, it goes by weight."""

GATHER_SECONDS = 0.006
"""How long orders wait for others where many come: a learner in a crowd costs a tenth of what it costs alone."""

CROWD = 8
"""Orders under way from which on it is a crowd."""

LEAST_WEIGHT = 1.0
"""Of updates that are wanted as soon as may be, and no sooner: they have what those with a pace leave."""


class ProcessLost(RuntimeError):
    """A training process is gone, and the weights with it. A viewer's checkpoint still has its run."""

    def __init__(self) -> None:
        super().__init__("the training process has ended")


class Run:
    """A run in motion, in a training process. It ends when nobody holds it.

    `update` is the newest one made that is known here.
    """

    def __init__(self, link: "_Link", facts: Facts) -> None:
        self.link = link
        self.number = facts.run
        self.process = link.process
        self.recipe: Recipe = facts.recipe
        self.changes: tuple[Change, ...] = facts.changes
        self.update: int = facts.update
        self.parameters: int = facts.parameters
        self.text: str = facts.text
        self.versions: dict[str, str] = facts.versions
        self.earlier: tuple[Earlier, ...] = facts.earlier
        self.was_played: PlayState | None = facts.played
        weakref.finalize(self, link.left.append, facts.run).atexit = False

    def link_there(self) -> "_Link":
        """The link to its process. Raises ProcessLost where that is another one by now."""
        if self.link.process != self.process:
            raise ProcessLost()
        return self.link

    @property
    def done(self) -> bool:
        """Whether the recipe's `stop_after` has just been reached."""
        return self.update == self.recipe.stop_after


class Trainer:
    """Orders what the training processes do. Whoever awaits it leaves the event loop free.

    Of those who wait for a turn, whoever has had least of it goes first, and all whose turn it is advance together: a
    run that catches up slows no other. TensorFlow's runs have a process of their own, which starts with the first of
    them: importing it takes seconds and half a gigabyte.

    Args:
        child: the process for PyTorch's runs, if it was started already.
    """

    def __init__(self, metrics: Metrics, child: Child | None = None) -> None:
        self._accounts = count()
        self._account = next(self._accounts)
        self._load = Load()
        self._links = {
            "torch": _Link("torch", metrics, self._load, child),
            "tensorflow": _Link("tensorflow", metrics, self._load, None),
        }

    def seat(self) -> "Trainer":
        """The same processes, on an account of its own: what one connection asks for costs no other its turns."""
        seat = copy(self)
        seat._account = next(self._accounts)
        return seat

    async def start(self) -> None:
        """Be ready for PyTorch's runs."""
        await self.count("torch")

    async def lost(self) -> None:
        """Returns when the process for PyTorch's runs is not there, at once or later."""
        await self._links["torch"].lost()

    async def count(self, framework: Framework) -> int:
        """How many runs its process holds; answered once that has started. Raises ProcessLost."""
        runs: int = await self._call(await self._link(framework), "count")
        return runs

    async def begin(self, recipe: Recipe, weights: Checkpoint | None, changes: Sequence[Change]) -> Run:
        """A new run. Raises what Learner raises, or ProcessLost."""
        link = await self._link(recipe.framework)
        run: Run = await self._call(link, "begin", link.next_number(), recipe, weights, tuple(changes))
        return run

    async def resume(self, data: bytes) -> tuple[Run, PlayState | None]:
        """A run that goes on from a checkpoint's bytes, and how it was played.

        Raises CheckpointError, or what Learner.resume raises, or ProcessLost.
        """
        link = await self._link("torch")
        run = await self._call(link, "resume", link.next_number(), data)
        if not isinstance(run, Run):  # the name of another framework
            link = await self._link(run)
            run = await self._call(link, "resume", link.next_number(), data)
        return run, run.was_played

    def let_go(self) -> None:
        """Tell the processes of runs that nobody holds any more."""
        for link in self._links.values():
            link.let_go()

    async def change(self, run: Run, fields: dict[str, object], after: int | None) -> Change:
        """Set live fields. Raises what Learner.change raises, or ProcessLost."""
        Change.model_validate({**fields, "after_update": run.update if after is None else after})
        change: Change
        change, run.changes = await self._call(run.link_there(), "change", run.number, fields, after)
        return change

    async def checkpoint(self, run: Run, played: PlayState) -> bytes:
        """Raises ProcessLost."""
        data: bytes = await self._call(run.link_there(), "checkpoint", run.number, played)
        return data

    async def compare(self, run: Run, receipt: Receipt) -> Verdict:
        """What the run came to, beside a receipt. Raises ProcessLost."""
        verdict: Verdict = await self._call(run.link_there(), "compare", run.number, receipt)
        return verdict

    async def advance(
        self, run: Run, most: int, views: AbstractSet[View], stop_at: int = 0, weight: float = USUAL_WEIGHT
    ) -> Turn:
        """At least one update and at most `most`, as far as one turn reaches and not past update `stop_at`.

        Raises ProcessLost.
        """
        link = run.link_there()
        order = Advance(link.next_number(), self._account, weight, run.number, most, frozenset(views), stop_at)
        turn: Turn = await link.order(order)
        run.update = turn.update
        return turn

    @property
    def is_loaded(self) -> bool:
        """Whether messages should travel together."""
        return self._load.is_high

    def close(self) -> None:
        for link in self._links.values():
            link.close()

    async def _link(self, framework: Framework) -> "_Link":
        if framework == "tensorflow" and not is_installed():
            raise NotInstalled()
        link = self._links[framework]
        await link.open()
        return link

    async def _call(self, link: "_Link", method: str, *args: Any) -> Any:
        return await link.order(Call(link.next_number(), self._account, USUAL_WEIGHT, method, args))


class _Link(asyncio.Protocol):
    """One training process: orders over its socket, and whoever waits for what comes of them."""

    def __init__(self, framework: Framework, metrics: Metrics, load: Load, child: Child | None) -> None:
        self._framework = framework
        self._metrics = metrics
        self._load = load
        self.child = child
        self.process = 0
        """Counts the processes that there were: another one knows nothing of a run that this one had."""
        self._transport: Transport | None = None
        self._opening = asyncio.Lock()
        self._frames = Frames()
        self._numbers = count()
        self._orders: list[Order] = []  # of this turn of the event loop
        self._waiting: dict[int, Future[Any]] = {}
        self._loss: Future[None] | None = None
        self.left: list[int] = []  # runs that nobody holds any more; from any thread

    def next_number(self) -> int:
        """Of a run or an order."""
        return next(self._numbers)

    async def open(self) -> None:
        """Start the process if it is not there, and listen to it."""
        async with self._opening:
            if self._transport is not None:
                return
            loop = asyncio.get_running_loop()
            if self.child is None:
                self.child = await loop.run_in_executor(None, self._start)
            self._frames = Frames()
            self._metrics.training_started.labels(framework=self._framework).inc()
            if self._framework == "torch":
                self._metrics.training_process = self.child.process.pid
            self.child.socket.setblocking(False)
            self._transport, _ = await loop.create_connection(lambda: self, sock=self.child.socket)

    def _start(self) -> Child:
        """Raises ProcessLost where no process or file is to be had at the moment."""
        try:
            return Child(self._framework)
        except OSError as error:
            log.error("the training process for %s could not be started: %s", self._framework, error)
            raise ProcessLost() from None

    async def lost(self) -> None:
        """Returns when the process is not there."""
        if self._transport is not None:
            self._loss = self._loss or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._loss)

    async def order(self, order: Order) -> Any:
        """What comes of it. Raises what it raises, or ProcessLost."""
        if self._transport is None:
            raise ProcessLost()
        loop = asyncio.get_running_loop()
        future = self._waiting[order.number] = loop.create_future()
        if not self._orders:
            if len(self._waiting) > CROWD:
                loop.call_later(GATHER_SECONDS, self._send)
            else:
                loop.call_soon(self._send)
        self._orders.append(order)
        return await future

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._waiting

    def let_go(self) -> None:
        """Say which runs nobody holds any more, if nothing else is about to be said."""
        if self.left and not self._orders:
            self._send()

    def _send(self) -> None:
        """Whoever orders at about the same time begins together."""
        if self._transport is not None:
            left = [self.left.pop() for _ in range(len(self.left))]
            self._transport.write(framed((left, self._orders)))
        self._orders = []

    def data_received(self, data: bytes) -> None:
        for done in self._frames.feed(data):
            assert isinstance(done, Done)
            for made, seconds in done.ticks:
                self._metrics.tick_seconds.observe(seconds)
                self._metrics.updates.inc(made)
            self._load.note(sum(seconds for _, seconds in done.ticks))
            for number, succeeded, result in done.results:
                future = self._waiting.pop(number)
                if isinstance(result, Facts):
                    result = Run(self, result)  # at once: if whoever asked has gone, it ends here
                if future.done():
                    continue  # whoever asked has gone
                if succeeded:
                    future.set_result(result)
                else:
                    future.set_exception(result)

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport is not None:
            log.error("the training process for %s has ended", self._framework)
            self.close()

    def close(self) -> None:
        """End the process. Whoever waits for it hears that it is lost."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        child, self.child = self.child, None
        if child is not None:
            child.close()
        if self._framework == "torch":
            self._metrics.training_process = 0
        self.process += 1
        waiting, self._waiting = self._waiting, {}
        self.left.clear()
        self._orders = []  # the next process knows nothing of them
        for future in waiting.values():
            if not future.done():
                future.set_exception(ProcessLost())
        loss, self._loss = self._loss, None
        if loss is not None:
            loss.set_result(None)
