"""A thread that many share: of those who wait, whoever has had least of it goes first."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from time import perf_counter
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

W = TypeVar("W")


@dataclass
class Piece(Generic[W]):
    """Work that somebody waits for.

    `weight` says how much of the thread its owner should have beside others who want all they can get; `seconds` is
    what it is expected to take. What `joins` may be done together with other pieces that do.
    """

    owner: object
    weight: float
    work: W
    seconds: float = 0.0
    joins: bool = False
    start: float = field(default=0.0, init=False)


class FairThread(Generic[W]):
    """One thread. Work that is asked for while it is busy waits by start-time fair queueing.

    (Goyal, Vin and Cheng, 1996: each owner's work starts, in virtual time, where its own last one ended, but not before
    what is under way now; a second of work takes an owner a second by its weight further.) So whoever asks for little
    is served next, whatever others have asked for.

    Args:
        carry_out: does some pieces of work and says what seconds each took. It deals with their errors.
        give_up: is told what will not be done, since the thread is closed.
        most_seconds: pieces that join are done together as long as they are expected to take no more.
    """

    def __init__(
        self,
        name: str,
        carry_out: Callable[[Sequence[W]], Sequence[float]],
        give_up: Callable[[W], None],
        most_seconds: float,
    ) -> None:
        self._carry_out = carry_out
        self._give_up = give_up
        self._most_seconds = most_seconds
        self._waiting: list[tuple[float, int, Piece[W]]] = []
        self._changed = threading.Condition()
        self._order = count()
        self._now = 0.0  # of virtual time, in seconds of work by a weight of 1
        self._ended: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        self._closed = False
        self.busy_seconds = 0.0
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, pieces: Sequence[Piece[W]]) -> None:
        with self._changed:
            for piece in pieces:
                if self._closed:
                    self._give_up(piece.work)
                piece.start = max(self._now, self._ended.get(piece.owner, 0.0))
                heappush(self._waiting, (piece.start, next(self._order), piece))
            self._changed.notify()

    @property
    def is_wanted(self) -> bool:
        """Whether work waits for the thread."""
        return bool(self._waiting)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while pieces := self._next():
            began = perf_counter()
            took = self._carry_out([piece.work for piece in pieces])
            self.busy_seconds += perf_counter() - began
            with self._changed:
                for piece, seconds in zip(pieces, took, strict=True):
                    self._ended[piece.owner] = piece.start + seconds / piece.weight
            del pieces, took  # who has gone is not kept while nobody asks for anything

    def _next(self) -> list[Piece[W]]:
        """What is to be done next: one piece, or several that join. None when the thread is closed."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                for _, _, piece in self._waiting:
                    self._give_up(piece.work)
                return []
            self._now, _, first = heappop(self._waiting)
            pieces, seconds = [first], first.seconds
            while first.joins and self._waiting:
                further = self._waiting[0][2]
                seconds += further.seconds
                if not further.joins or seconds > self._most_seconds:
                    break
                heappop(self._waiting)
                pieces.append(further)
            return pieces
