"""The messages between the event loop and a training process: orders one way, their results the other."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from model.checkpoint import Checkpoint, Earlier
from model.play import PlayState, View
from model.receipt import Receipt, Verdict
from model.recipe import Change, Recipe

R = TypeVar("R")


@dataclass(frozen=True)
class Facts:
    """A run that was begun or taken up, as the event loop knows it."""

    run: int
    recipe: Recipe
    changes: tuple[Change, ...]
    update: int
    parameters: int
    text: str
    versions: dict[str, str]
    earlier: tuple[Earlier, ...]
    played: PlayState | None


@dataclass(frozen=True)
class Call(Generic[R]):
    """An order that is carried out at once and alone; its result is an R.

    `account` is who is charged for it, `weight` how much that one should have beside others who want all they can get.
    """

    number: int
    account: int
    weight: float


@dataclass(frozen=True)
class CountRuns(Call[int]):
    """How many runs the process holds."""


@dataclass(frozen=True)
class Begin(Call[Facts]):
    """A new run, under a number of its own."""

    run: int
    recipe: Recipe
    weights: Checkpoint | None
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Resume(Call[Facts]):
    """A run that goes on from a checkpoint's bytes, under a number of its own."""

    run: int
    data: bytes


@dataclass(frozen=True)
class ApplyChange(Call[tuple[Change, tuple[Change, ...]]]):
    """Live fields of a run take new values, now or once update `after` is made: the change, and the change log."""

    run: int
    fields: dict[str, object]
    after: int | None


@dataclass(frozen=True)
class TakeCheckpoint(Call[bytes]):
    """A run as it stands, and how it is played."""

    run: int
    played: PlayState


@dataclass(frozen=True)
class Compare(Call[Verdict]):
    """What a run has made, held against a receipt."""

    run: int
    receipt: Receipt


class Advance(NamedTuple):
    """At least one update of a run and at most `most`, as far as one turn reaches and not past update `stop_at`.

    Of a full hall's orders nearly all are these: a tuple is made in a third of the time, and unpickled in half.
    """

    number: int
    account: int
    weight: float
    run: int
    most: int
    views: AbstractSet[View]
    stop_at: int


Order = Call[Any] | Advance


class Turn(NamedTuple):
    """The result of an `Advance`: `made` updates, the newest of which is `update`.

    `text` is the JSON of each, with commas between them. `diverged` names the tensor that stopped it.
    """

    text: bytes
    made: int
    update: int
    diverged: str | None = None


@dataclass(frozen=True)
class Compiling:
    """What a process says before its first result, where code has to be compiled first: how many kernels."""

    kernels: int


@dataclass(frozen=True)
class Done:
    """The results of some orders, and how long the updates took.

    A result is an order's number, whether it succeeded, and what it gave or raised. A tick is a burst of updates
    of each run whose turn it was: how many there were, and the seconds that they took."""

    results: list[tuple[int, bool, Any]]
    ticks: list[tuple[int, float]]
