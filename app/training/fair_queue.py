"""FairQueue: of those who wait, whoever has had least goes first."""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

W = TypeVar("W")

FORGET = 256
"""Owners that are kept in mind before those are forgotten who have had no more than anybody."""


@dataclass
class Piece(Generic[W]):
    """Work that somebody waits for.

    `weight` says how much its owner should have beside others who want all they can get; `seconds` is what the work is
    expected to take. Pieces that have `joins` can be done together.
    """

    owner: int
    weight: float
    work: W
    seconds: float = 0.0
    joins: bool = False
    start: float = field(default=0.0, init=False)


class FairQueue(Generic[W]):
    """Start-time fair queueing (Goyal, Vin and Cheng, 1996).

    Each owner's work starts, in virtual time, where its own last one ended, but not before what is under way now; a
    second of work takes an owner a second by its weight further. So whoever asks for little is served next, whatever
    others have asked for.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Piece[W]]] = []
        self._order = count()
        self._now = 0.0  # of virtual time, in seconds of work by a weight of 1
        self._ended: dict[int, float] = {}
        self._forget_at = FORGET

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def owners(self) -> int:
        """How many owners are kept in mind."""
        return len(self._ended)

    def push(self, piece: Piece[W]) -> None:
        piece.start = max(self._now, self._ended.get(piece.owner, 0.0))
        heappush(self._waiting, (piece.start, next(self._order), piece))

    def pop(self, most: int, most_seconds: float) -> list[Piece[W]]:
        """Take what is to be done next: one piece, or up to `most` that join and should take `most_seconds` in sum.

        Whoever has had more than those seconds beyond its share joins nobody: it waits until that is made up for.
        """
        self._now, _, first = heappop(self._waiting)
        pieces, seconds = [first], first.seconds
        while first.joins and self._waiting and len(pieces) < most:
            further = self._waiting[0][2]
            seconds += further.seconds
            beyond = (further.start - self._now) * further.weight
            if not further.joins or max(seconds, beyond) > most_seconds:
                break
            heappop(self._waiting)
            pieces.append(further)
        return pieces

    def charge(self, piece: Piece[W], seconds: float) -> None:
        """A piece is done and took so many seconds."""
        self._ended[piece.owner] = piece.start + seconds / piece.weight
        if len(self._ended) > self._forget_at:
            self._ended = {owner: ended for owner, ended in self._ended.items() if ended > self._now}
            self._forget_at = max(FORGET, 2 * len(self._ended))
