"""The recording that the page plays while the hall is full: the first updates of the default run, as they were made.

`make recording` writes static/recording.json.
"""

import sys
from dataclasses import asdict
from typing import Any

import numpy as np
import orjson

from app.protocol.updates import encode_updates
from model.floors import floors
from model.learner import Learner, Update
from model.play import View
from model.recipe import Recipe

UPDATES = 120
VIEWS: frozenset[View] = frozenset({"hidden", "gradient"})
DIGITS = 4
"""Digits of each number: enough for a picture. The losses keep all of theirs."""


def record() -> dict[str, Any]:
    """A run as the page needs it to show it: parts of its `opened`, and its updates."""
    learner = Learner(Recipe())
    made = [_rounded(learner.advance(VIEWS)) for _ in range(UPDATES)]
    recipe, program = learner.recipe, learner.program
    network = {
        "cell": recipe.cell,
        "hidden_size": recipe.hidden_size,
        "parameters": program.parameters,
        "text": program.text,
    }
    opened = {
        "recipe": recipe.model_dump(),
        "network": network,
        "floors": asdict(floors(recipe)),
        "versions": learner.versions,
    }
    return {"opened": opened, "updates": orjson.loads(encode_updates(made))["updates"]}


def _rounded(update: Update) -> Update:
    for row in (update.t, update.input, update.target, update.prediction, update.gradient):
        assert row is not None
        np.round(row, DIGITS, out=row)
    for part, milliseconds in update.milliseconds.items():
        update.milliseconds[part] = round(milliseconds, 2)
    return update


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(record()) + b"\n")
