"""Costs that are told: overload is made with them, on any machine, and fairness is judged by them."""

import os
import time
from dataclasses import dataclass, field

from app.training.turns import Price, as_it_took
from model.recipe import Cell, Framework, Recipe


@dataclass(frozen=True)
class Told:
    """What an update costs, in seconds by its recipe's framework or else its cell. That time passes too."""

    seconds: dict[Cell | Framework, float] = field(default_factory=dict)

    def __call__(self, recipe: Recipe, took: float) -> float:
        told = self.seconds.get(recipe.framework, self.seconds.get(recipe.cell))
        if told is None:
            return ALL_UPDATES(recipe, took)
        time.sleep(max(0.0, told - took))
        return told


@dataclass(frozen=True)
class Times:
    """Every update so many times as dear as it is; told as nothing if that is 0."""

    factor: float

    def __call__(self, recipe: Recipe, took: float) -> float:
        time.sleep(max(0.0, (self.factor - 1) * took))
        return self.factor * took


ALL_UPDATES: Price = Times(float(os.environ["TEST_COST"])) if "TEST_COST" in os.environ else as_it_took
"""Of the whole suite: `TEST_COST=10 make test` has every update made ten times as dear."""
