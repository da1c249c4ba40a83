"""The recording that the page plays while the hall is full is of a real run."""

import json
from pathlib import Path

import numpy as np

from app.commands.recording import UPDATES, record
from model.learner import Learner
from model.recipe import Recipe

TAPE = json.loads((Path(__file__).parents[2] / "static" / "recording.json").read_text("utf-8"))


def test_the_recording_is_of_the_default_run() -> None:
    learner = Learner(Recipe())
    assert TAPE["opened"]["recipe"] == Recipe().model_dump()
    assert len(TAPE["updates"]) == UPDATES
    for told in TAPE["updates"]:
        update = learner.advance()
        assert (told["update"], told["length"]) == (update.update, update.length)
        assert np.abs(np.array(told["t"]) - update.t).max() < 1e-3
        assert np.abs(np.array(told["target"]) - update.target).max() < 1e-3
        if update.update <= 10:  # rounding on another kind of processor grows with training itself
            assert np.isclose(told["loss"], update.loss, rtol=1e-4)
            assert np.abs(np.array(told["prediction"]) - update.prediction).max() < 1e-3


def test_the_recording_has_what_a_new_one_would_have() -> None:
    made = record()
    assert made.keys() == TAPE.keys()
    assert made["opened"].keys() == TAPE["opened"].keys()
    assert [update.keys() for update in made["updates"]] == [update.keys() for update in TAPE["updates"]]
