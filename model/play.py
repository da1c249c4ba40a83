"""PlayState: how a viewer plays its run. It changes no number of the run, and travels with it all the same."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from model.recipe import Frozen

SLOWEST, FASTEST = 0.2, 60.0
"""Bounds of a pace in updates per second; beside them there is "max"."""

View = Literal["hidden", "gradient", "after", "graph"]
"""A part of an update that is shown on request only."""


def _check_pace(value: object) -> object:
    if value == "max":
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and SLOWEST <= value <= FASTEST:
        return float(value)
    raise PydanticCustomError(
        "pace", "Input should be a number from {least} to {most} updates per second, or \"max\"",
        {"least": SLOWEST, "most": FASTEST},
    )  # fmt: skip


Pace = Annotated[Annotated[float, Field(ge=SLOWEST, le=FASTEST)] | Literal["max"], BeforeValidator(_check_pace)]


class PlayState(Frozen):
    """Pace in updates per second, whether it plays, and the views that its updates show, in alphabetical order."""

    pace: Pace = 20.0
    playing: bool = True
    views: tuple[View, ...] = Field((), max_length=4, fail_fast=True)
