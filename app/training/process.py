"""The process that trains: takes orders off a socket, queues them fairly, and sends their results back.

`Trainer` is its other side.

In a process of its own it has an interpreter lock, and where there are two cores a core, for itself: as a thread it
waited for the event loop at every second product.
"""

import gc
import pickle
import select
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any

from app.training.child import Frames, framed
from app.training.fair_queue import FairQueue, Piece
from app.training.orders import Advance, Call, Compiling, Done, Order
from app.training.runs import Runs
from app.training.turns import Meter, Price, Turns, as_it_took
from model.compiled.machine_code import compile_all, to_be_compiled

TURN_SECONDS = 0.008
"""How long a turn may last while others wait."""

ALONE_SECONDS = 0.025
"""How long a turn may last while nobody waits: longer, since each costs a way to the event loop and back."""

TOGETHER = 64
"""How many runs advance together at most: while the server sends what these made, the next can be under way."""

TOGETHER_SECONDS = 0.016
"""Seconds that one update of each of those who advance together may be expected to take, in sum."""

READ_BYTES = 2**18


class TrainingProcess:
    """Takes orders off a socket until it closes.

    Args:
        price: what updates cost; a test may say that they cost more, and let the time pass.
    """

    def __init__(self, pipe: socket.socket, price: Price) -> None:
        self._pipe = pipe
        self._price = price
        self._meter = Meter()
        self._frames = Frames()
        self._runs = Runs()
        self._poll = select.poll()  # not select, which knows no descriptor from 1024 on
        self._poll.register(pipe, select.POLLIN)
        self._left: list[int] = []
        self._unsent = bytearray()
        self._queue: FairQueue[Order] = FairQueue()

    def serve(self) -> None:
        """Carry out orders for ever. Raises EOFError when the server has gone."""
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
        return Piece(order.account, order.weight, order, self._runs.expected(order.run), joins=True)

    def _work(self) -> None:
        while self._left:
            self._runs.leave(self._left.pop())
        pieces = self._queue.pop(TOGETHER, TOGETHER_SECONDS)
        orders = [piece.work for piece in pieces]
        self._meter.begin()
        try:
            # what is called joins nothing
            done, seconds = self._call(first) if isinstance(first := orders[0], Call) else self._advance(orders)
        except Exception as error:
            done, seconds = Done([(order.number, False, _portable(error)) for order in orders], []), {}
        even = self._meter.total() / len(pieces)
        for piece in pieces:
            self._queue.charge(piece, seconds.get(piece.work.number, even))
        self._send(done)

    def _call(self, call: Call[Any]) -> tuple[Done, dict[int, float]]:
        return Done([(call.number, True, self._runs.carry_out(call))], []), {}

    def _send(self, done: Done) -> None:
        self._unsent += framed(done)
        self._flush()

    def _advance(self, orders: Sequence[Order]) -> tuple[Done, dict[int, float]]:
        """Make updates of these runs side by side until the turn is over or none wants more; and what it cost each."""
        advances = [order for order in orders if isinstance(order, Advance)]
        there = [order for order in advances if order.run in self._runs]
        # of the others the runs have ended: nobody waits, but for being forgotten
        left = [order for order in advances if order.run not in self._runs]
        ended = [(order.number, False, KeyError("this run has ended")) for order in left]
        turns = Turns(self._runs, there, self._price, self._meter)
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


def _have_code(pipe: socket.socket) -> None:
    """Compile what has to be before anybody is told that the process is there, and tell the server of it."""
    if cells := to_be_compiled():
        with suppress(OSError):  # nobody is there to hear it: `serve` finds out
            pipe.send(framed(Compiling(len(cells))))
    compile_all()


def main(descriptor: int, price: Price = as_it_took, compiles: bool = True) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server says when to end
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pipe = socket.socket(fileno=descriptor)
    pipe.setblocking(False)
    if compiles:
        _have_code(pipe)
    process = TrainingProcess(pipe, price)
    gc.collect()
    gc.freeze()
    try:
        process.serve()
    except (EOFError, OSError):
        return
