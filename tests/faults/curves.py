"""The curve that a run would have had if nothing had ever gone wrong."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from app.protocol.updates import encode_updates
from model.learner import Learner
from model.recipe import Change, Recipe
from tests.support.viewers import timeless


def uninterrupted(recipe: dict[str, Any], changes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Its updates as they would be sent, without what depends on a clock."""
    log = [Change.model_validate(change) for change in changes]
    learner = Learner(Recipe.model_validate(recipe), changes=log)
    while True:
        yield timeless(json.loads(encode_updates([learner.advance()]))["updates"])[0]


def same_floats(one: Any, other: Any) -> bool:
    """Numbers in rows, to the last bit of a float32."""
    first, second = (np.array(values, np.float32) for values in (one, other))
    return first.shape == second.shape and first.tobytes() == second.tobytes()
