"""What goes between the event loop and a training process: orders, and what came of them."""

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
    """What is to be known of a run that was begun or taken up."""

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
    """An order that is done at once and alone; an R comes of it.

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
    """What a run came to, beside a receipt."""

    run: int
    receipt: Receipt


class Advance(NamedTuple):
    """At least one update of a run and at most `most`, as far as one turn reaches and not past update `stop_at`.

    Of a full hall's orders nearly all are these: as a tuple one takes half the time to be pickled.
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
    """What came of one turn: `made` updates up to `update`, as the JSON of each behind the other.

    `diverged` names the tensor that stopped it.
    """

    text: bytes
    made: int
    update: int
    diverged: str | None = None


@dataclass(frozen=True)
class Done:
    """What came of some orders, by number, and the seconds that each tick of one update each took."""

    results: list[tuple[int, bool, Any]]
    ticks: list[tuple[int, float]]
