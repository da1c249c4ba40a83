"""Link: a training process as the event loop sees it. Orders go out over its socket, and their results come back."""

import asyncio
import logging
import weakref
from asyncio import BaseTransport, Future, Task, Transport
from itertools import count
from typing import Any, TypeVar, cast

from app.telemetry.metrics import Metrics
from app.training.child import Child, Frames, ProcessName, framed
from app.training.load import Load
from app.training.orders import Advance, Call, Compiling, Done, Facts, Order, Turn
from model.checkpoint import Earlier
from model.play import PlayState
from model.recipe import Change, Recipe

log = logging.getLogger("unrolled.live")
start_log = logging.getLogger("unrolled.start")

R = TypeVar("R")

GATHER_SECONDS = 0.006
"""How long orders wait for others where many come: what they share is the way there and back, and its wakings."""

CROWD = 8
"""With more orders than this under way, orders are gathered before they are sent."""


class ProcessLost(RuntimeError):
    """A training process is gone, and the weights with it. A viewer's checkpoint still has its run."""

    def __init__(self) -> None:
        super().__init__("the training process has ended")


class Run:
    """A run in motion, in a training process. It ends when nobody holds it.

    `update` is the newest one made that is known here.
    """

    def __init__(self, link: "Link", facts: Facts) -> None:
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

    def link_there(self) -> "Link":
        """The link to its process. Raises ProcessLost where that is another one by now."""
        if self.link.process != self.process:
            raise ProcessLost()
        return self.link

    @property
    def done(self) -> bool:
        """Whether the recipe's `stop_after` has just been reached."""
        return self.update == self.recipe.stop_after


class Link(asyncio.Protocol):
    """One training process: sends it orders over its socket, and gives each result to whoever waits for it."""

    def __init__(self, name: ProcessName, metrics: Metrics, load: Load, child: Child | None) -> None:
        self._name = name
        self._metrics = metrics
        self._load = load
        self.child = child
        self.process = 0
        """How many processes this link has lost: a run belongs to one process, and the next one knows nothing of it."""
        self._transport: Transport | None = None
        self._opening: Task[None] | None = None
        self._frames = Frames()
        self._numbers = count()
        self._orders: list[Order] = []  # of this turn of the event loop
        self._waiting: dict[int, Future[Any]] = {}
        self._loss: Future[None] | None = None
        self.left: list[int] = []  # runs that nobody holds any more; from any thread

    def next_number(self) -> int:
        """A number for a run or an order that no other of this link has."""
        return next(self._numbers)

    async def open(self) -> None:
        """Start the process if it is not there, and listen to it. Raises ProcessLost.

        It is begun for all who wait: that one of them goes meanwhile must not leave it half done.
        """
        if self._transport is None:
            if self._opening is None or self._opening.done():
                self._opening = asyncio.create_task(self._open())
                self._opening.add_done_callback(lambda opening: opening.cancelled() or opening.exception())
            await asyncio.shield(self._opening)

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        if self.child is None:
            self.child = await loop.run_in_executor(None, self._start)
        self._frames = Frames()
        self._metrics.training_started.labels(process=self._name).inc()
        if self._name == "main":
            self._metrics.training_process = self.child.process.pid
        self.child.socket.setblocking(False)
        try:
            await loop.create_connection(lambda: self, sock=self.child.socket)
        except BaseException:
            self.close()  # its socket is closed: the next one has another
            raise

    def connection_made(self, transport: BaseTransport) -> None:
        self._transport = cast(Transport, transport)

    def _start(self) -> Child:
        """Start a training process. Raises ProcessLost where no process or file is to be had at the moment."""
        try:
            return Child(self._name)
        except OSError as error:
            log.error("the training process %s could not be started: %s", self._name, error)
            raise ProcessLost() from None

    async def lost(self) -> None:
        """Returns when the process is not there."""
        if self._transport is not None:
            self._loss = self._loss or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._loss)

    async def call(self, order: Call[R]) -> R:
        """Send an order and return its result. Raises what carrying it out raises, or ProcessLost."""
        result: R = await self._order(order)
        return result

    async def take_in(self, order: Call[Facts]) -> Run:
        """Send an order that begins or takes up a run, and return the run. Raises what `call` raises."""
        run: Run = await self._order(order)
        return run

    async def advance(self, order: Advance) -> Turn:
        """Have some updates of a run made. Raises ProcessLost, or KeyError where the run has ended."""
        turn: Turn = await self._order(order)
        return turn

    async def _order(self, order: Order) -> Any:
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
        """Write all orders of this moment as one message, so that they begin together."""
        if self._transport is not None:
            left = [self.left.pop() for _ in range(len(self.left))]
            self._transport.write(framed((left, self._orders)))
        self._orders = []

    def data_received(self, data: bytes) -> None:
        for done in self._frames.feed(data):
            if isinstance(done, Compiling):
                start_log.info("compiling", extra={"kernels": done.kernels})
                continue
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
            log.error("the training process %s has ended", self._name)
            self.close()

    def close(self) -> None:
        """End the process. Whoever waits for it hears that it is lost."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        child, self.child = self.child, None
        if child is not None:
            child.close()
        if self._name == "main":
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
