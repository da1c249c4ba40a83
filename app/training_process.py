"""The process that trains: orders in, fairly queued, and what came of them out. `Trainer` is its other side.

In a process of its own it has an interpreter lock, and where there are two cores a core, for itself: as a thread it
waited for the event loop at every second product.
"""

import gc
import pickle
import select
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter, process_time

from app.child import Frames, framed
from app.fair_queue import FairQueue, Piece
from app.messages import encode_update
from app.orders import Advance, Call, Done, Facts, Order, Turn
from model.checkpoint import Checkpoint
from model.fleet import Fleet
from model.play import PlayState
from model.receipt import Receipt, Verdict
from model.recipe import Change, Framework, Recipe
from model.training import Diverged, Learner, Update, advance_together

TURN_SECONDS = 0.008
"""How long those whose turn it is may go on while others wait."""

ALONE_SECONDS = 0.025
"""How long where nobody waits: each turn costs a way to the event loop and back."""

TOGETHER = 64
"""How many advance together at the most: while the server sends what these made, the next ones can be under way."""

TOGETHER_SECONDS = 0.016
"""What those who advance together may be expected to take for one update each."""

READ_BYTES = 2**18

Price = Callable[[Recipe, float], float]
"""What an update of this recipe is taken to cost, given the seconds of processor time that it took."""


def as_it_took(recipe: Recipe, seconds: float) -> float:
    return seconds


class Runs:
    """The learners of this process, by number."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._fleet = Fleet()
        self._learners: dict[int, Learner] = {}
        self.seconds: dict[int, float] = {}  # what the newest update of each took

    def __getitem__(self, run: int) -> Learner:
        return self._learners[run]

    def __contains__(self, run: int) -> bool:
        return run in self._learners

    def count(self) -> int:
        """How many there are."""
        return len(self._learners)

    def begin(self, run: int, recipe: Recipe, weights: Checkpoint | None, changes: Sequence[Change]) -> Facts:
        return self._take_in(run, Learner(recipe, weights, changes, self._fleet.join), None)

    def resume(self, run: int, data: bytes) -> Facts | Framework:
        """The framework instead, where it is not this process's."""
        checkpoint = Checkpoint.from_bytes(data)
        if checkpoint.recipe.framework != self._framework:
            return checkpoint.recipe.framework
        return self._take_in(run, Learner.resume(checkpoint, self._fleet.join), checkpoint.run.played)

    def _take_in(self, run: int, learner: Learner, played: PlayState | None) -> Facts:
        self._learners[run] = learner
        program = learner.program
        return Facts(
            run,
            learner.recipe,
            learner.changes,
            learner.update,
            program.parameters,
            program.text,
            learner.versions,
            learner.earlier,
            played,
        )

    def change(self, run: int, fields: dict[str, object], after: int | None) -> tuple[Change, tuple[Change, ...]]:
        learner = self._learners[run]
        return learner.change(fields, after), learner.changes

    def checkpoint(self, run: int, played: PlayState) -> bytes:
        return self._learners[run].checkpoint(played).to_bytes()

    def compare(self, run: int, receipt: Receipt) -> Verdict:
        return receipt.compared(self._learners[run])

    def leave(self, run: int) -> None:
        self._learners.pop(run, None)
        self.seconds.pop(run, None)


class _Turns:
    """Some runs whose turn it is, and what they make."""

    def __init__(self, runs: Runs, orders: Sequence[Advance], price: Price) -> None:
        self._runs = runs
        self._price = price
        self.going = list(orders)
        self.seconds = dict.fromkeys((order.number for order in orders), 0.0)
        self._texts: dict[int, list[bytes]] = {order.number: [] for order in orders}
        self._diverged: dict[int, str] = {}
        self.ticks: list[tuple[int, float]] = []

    def tick(self) -> None:
        """One update of each that goes on."""
        began, cpu = perf_counter(), process_time()
        made = advance_together([(self._runs[order.run], order.views) for order in self.going])
        for order, one in zip(self.going, made, strict=True):
            if isinstance(one, Diverged):
                self._diverged[order.number] = one.tensor
            else:
                self._texts[order.number].append(encode_update(one))
        seconds = perf_counter() - began
        # of the maths its own share, of the rest as much as any other; nothing of what other processes took
        own = [sum(one.milliseconds.values()) / 1e3 if isinstance(one, Update) else 0.0 for one in made]
        rest = max(0.0, seconds - sum(own)) / len(own)
        busy = (process_time() - cpu) / seconds
        for order, part in zip(self.going, own, strict=True):
            cost = self._price(self._runs[order.run].recipe, busy * (part + rest))
            self.seconds[order.number] += cost
            self._runs.seconds[order.run] = cost
        self.ticks.append((len(made), perf_counter() - began))
        self.going = [order for order in self.going if not self._is_over(order)]

    def _is_over(self, order: Advance) -> bool:
        made = len(self._texts[order.number])
        stops = self._runs[order.run].update == order.stop_at
        return made >= order.most or stops or order.number in self._diverged

    def turn(self, order: Advance) -> Turn:
        texts = self._texts[order.number]
        return Turn(b",".join(texts), len(texts), self._runs[order.run].update, self._diverged.get(order.number))


class TrainingProcess:
    """Takes orders off a socket until it closes.

    Args:
        price: what updates cost; a test may say that they cost more, and let the time pass.
    """

    def __init__(self, pipe: socket.socket, framework: Framework, price: Price) -> None:
        self._pipe = pipe
        self._price = price
        self._frames = Frames()
        self._runs = Runs(framework)
        self._poll = select.poll()  # not select, which knows no descriptor from 1024 on
        self._poll.register(pipe, select.POLLIN)
        self._left: list[int] = []
        self._unsent = bytearray()
        self._queue: FairQueue[Order] = FairQueue()

    def serve(self) -> None:
        """Raises EOFError when the server has gone."""
        while True:
            self._hear(wait=not self._queue)
            if self._queue:
                self._work()

    def _hear(self, wait: bool) -> None:
        """Queue what has come, and send what can be sent; wait for something if nothing is there to be done."""
        while True:
            self._poll.modify(self._pipe, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            events = sum(event for _, event in self._poll.poll(None if wait else 0))
            if events & select.POLLOUT:
                self._flush()
            if readable := bool(events & ~select.POLLOUT):
                self._read()
            if (not readable and not wait) or (wait and self._queue):
                return

    def _read(self) -> None:
        data = self._pipe.recv(READ_BYTES)
        if not data:
            raise EOFError
        for left, orders in self._frames.feed(data):
            self._left += left
            for order in orders:
                self._queue.push(self._piece(order))

    def _flush(self) -> None:
        # the event loop may be busy with something else: that is no reason to stop
        with suppress(BlockingIOError):
            del self._unsent[: self._pipe.send(self._unsent)]

    def _piece(self, order: Order) -> Piece[Order]:
        if isinstance(order, Call):
            return Piece(order.account, order.weight, order)
        return Piece(order.account, order.weight, order, self._runs.seconds.get(order.run, 0.0), joins=True)

    def _work(self) -> None:
        while self._left:
            self._runs.leave(self._left.pop())
        pieces = self._queue.pop(TOGETHER, TOGETHER_SECONDS)
        orders = [piece.work for piece in pieces]
        began = process_time()
        try:
            # what is called joins nothing
            done, seconds = self._call(first) if isinstance(first := orders[0], Call) else self._advance(orders)
        except Exception as error:
            done, seconds = Done([(order.number, False, _portable(error)) for order in orders], []), {}
        even = (process_time() - began) / len(pieces)
        for piece in pieces:
            self._queue.charge(piece, seconds.get(piece.work.number, even))
        self._send(done)

    def _call(self, call: Call) -> tuple[Done, dict[int, float]]:
        return Done([(call.number, True, getattr(self._runs, call.method)(*call.args))], []), {}

    def _send(self, done: Done) -> None:
        self._unsent += framed(done)
        self._flush()

    def _advance(self, orders: Sequence[Order]) -> tuple[Done, dict[int, float]]:
        """Update by update together, until the turn is over or nobody wants another; and what it cost each."""
        advances = [order for order in orders if isinstance(order, Advance)]
        there = [order for order in advances if order.run in self._runs]
        # of the others the runs have ended: nobody waits, but for being forgotten
        left = [order for order in advances if order.run not in self._runs]
        ended = [(order.number, False, KeyError("this run has ended")) for order in left]
        turns = _Turns(self._runs, there, self._price)
        began = perf_counter()
        while turns.going:
            turns.tick()
            self._hear(wait=False)
            if perf_counter() - began >= (TURN_SECONDS if self._queue else ALONE_SECONDS):
                break
        return Done([*ended, *((order.number, True, turns.turn(order)) for order in there)], turns.ticks), turns.seconds


def _portable(error: Exception) -> Exception:
    """An error that survives being pickled."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def main(framework: Framework, descriptor: int, price: Price = as_it_took) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server says when to end
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pipe = socket.socket(fileno=descriptor)
    pipe.setblocking(False)
    process = TrainingProcess(pipe, framework, price)
    gc.collect()
    gc.freeze()
    try:
        process.serve()
    except (EOFError, OSError):
        return
