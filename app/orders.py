"""What goes between the event loop and a training process: orders, and what came of them."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple

from model.checkpoint import Earlier
from model.play import PlayState, View
from model.recipe import Change, Recipe


@dataclass(frozen=True)
class Call:
    """An order for one run: the name of a method of the training process's `Runs`, and its arguments."""

    number: int
    account: int
    weight: float
    method: str
    args: tuple[Any, ...]


class Advance(NamedTuple):
    """At least one update of a run and at most `most`, as far as one turn reaches and not past update `stop_at`."""

    number: int
    account: int
    weight: float
    run: int
    most: int
    views: AbstractSet[View]
    stop_at: int


Order = Call | Advance


class Turn(NamedTuple):
    """What came of one turn: `made` updates up to `update`, as the JSON of each behind the other.

    `diverged` names the tensor that stopped it.
    """

    text: bytes
    made: int
    update: int
    diverged: str | None = None


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
class Done:
    """What came of some orders, by number, and the seconds that each tick of one update each took."""

    results: list[tuple[int, bool, Any]]
    ticks: list[tuple[int, float]]
