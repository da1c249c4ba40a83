"""The tutorial's chunks: one to three half-periods of sin and cos at random, each from where the last one ended."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


def chunks(count: int) -> Iterator[tuple[Samples, Samples]]:
    """Input and target of that many chunks, 10, 20 or 30 samples each."""
    random = np.random.RandomState(1)
    position = 0
    for _ in range(count):
        half_periods = random.randint(1, 4)
        start, end = position * math.pi, (position + half_periods) * math.pi
        position += half_periods
        steps = np.linspace(start, end, 10 * half_periods, dtype=np.float32)
        yield np.sin(steps), np.cos(steps)
