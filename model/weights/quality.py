"""Quality: how well a network turns sin into cos."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64

from model.inference import Weights, predict
from model.network import Network
from model.recipe import Recipe
from model.signal import Signal

SEEN = (1, 2, 3, 4, 5, 10, 20, 50, 100, 299)
"""Numbers of samples seen at which the error curve is read."""


class Quality(NamedTuple):
    """Mean squared errors.

    `uniform` and `worst_stream`: samples 10 to 299 of evenly sampled streams, in the mean and for the worst
    stream. `tutorial`: the tutorial's own stream after its tenth chunk. `curve`: of the evenly sampled
    streams, by the number of samples seen.
    """

    uniform: float
    worst_stream: float
    tutorial: float
    curve: dict[int, float]


def measure(network: Network, seed: int, streams: int = 2000, runs: int = 30) -> Quality:
    """Measure on `streams` evenly sampled streams and on `runs` runs of the tutorial's."""
    phases = uniform_streams(seed, streams)
    error = squared_error(network, np.sin(phases).astype(np.float32), np.cos(phases))
    late = error[:, 10:]
    return Quality(
        float(late.mean()),
        float(late.mean(1).max()),
        tutorial_error(network, seed, runs),
        {seen: float(error[:, seen - 1].mean()) for seen in SEEN},
    )


def uniform_streams(seed: int, streams: int) -> Float64[np.ndarray, "streams 300"]:
    """Phases at intervals uniform in [π/40, π/5] radians, each from a random start."""
    random = np.random.default_rng(seed)
    interval = random.uniform(np.pi / 40, np.pi / 5, (streams, 1))
    return random.uniform(0, 2 * np.pi, (streams, 1)) + interval * np.arange(300)


def tutorial_error(network: Network, seed: int, runs: int) -> float:
    """Mean squared error of chunks 11 to 110 of the tutorial's stream, in `runs` runs of other lengths."""
    errors = []
    for run in range(runs):
        signal = Signal(Recipe(seed=1000 * seed + run))
        chunks = [signal.next() for _ in range(110)]
        input = np.concatenate([chunk.input for chunk in chunks], axis=1)
        target = np.concatenate([chunk.target for chunk in chunks], axis=1)
        skipped = sum(chunk.length for chunk in chunks[:10])
        errors.append(squared_error(network, input, target)[0, skipped:])
    return float(np.concatenate(errors).mean())


def squared_error(
    network: Network, input: Float32[np.ndarray, "streams time"], target: Float[np.ndarray, "streams time"]
) -> Float64[np.ndarray, "streams time"]:
    predictions, _ = predict(Weights.of(network), list(input), [None] * len(input))
    error: Float64[np.ndarray, "streams time"] = np.stack(predictions).astype(np.float64) - target
    return error**2
