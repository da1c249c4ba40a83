"""How fast this machine trains and predicts, measured in about a second."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np

from model.checkpoint import Checkpoint
from model.inference import Weights, predict
from model.learner import Learner
from model.recipe import Recipe
from model.weights import bundled

LEARNERS = 64

SAMPLES = 30

FINDS_PHASE = 5
"""Samples in which a network that starts from nothing finds the phase: one alone does not tell it."""

SECONDS = 0.3
"""How long each of the three is measured."""


@dataclass(frozen=True)
class Speed:
    """Updates and predictions a second of one core. `share` is the part of a core that the measurement was given."""

    updates_alone: float
    updates_together: float
    predictions: float
    share: float
    error: float
    """Root mean square error of the pretrained model on a sine, once it has found the phase."""


def measure() -> Speed:
    """Trains one compiled learner of the default recipe, then 64, then has the pretrained model answer sequences."""
    began, cpu = perf_counter(), process_time()
    alone = Learner(Recipe())
    together = [Learner(Recipe(seed=seed)) for seed in range(1, 1 + LEARNERS)]
    weights = Weights.of(Checkpoint.from_bytes(bundled()["sine"]).network())
    phase = np.arange(SAMPLES) * np.pi / 9
    sine = np.sin(phase).astype(np.float32)

    def answer() -> None:
        predict(weights, [sine], [None])

    alone_rate = _rate(alone.advance)
    together_rate = LEARNERS * _rate(lambda: [learner.advance() for learner in together])
    predictions = _rate(answer)
    (answered,), _ = predict(weights, [sine], [None])
    error = float(np.sqrt(np.mean((answered - np.cos(phase))[FINDS_PHASE:] ** 2)))
    return Speed(alone_rate, together_rate, predictions, (process_time() - cpu) / (perf_counter() - began), error)


def _rate(work: Callable[[], object]) -> float:
    """How often it is done in a second of processor time."""
    work()  # what is made once
    began, cpu, done = perf_counter(), process_time(), 0
    while perf_counter() - began < SECONDS or done == 0:
        work()
        done += 1
    return done / max(process_time() - cpu, 1e-9)
