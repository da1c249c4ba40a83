"""Streams: what the pretrained network learns from, windows on many sines of all ages side by side."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from model.recipe import LONGEST_CHUNK

WINDOW = 50
"""Time steps of truncated backpropagation."""

GROUPS = 8
"""One group of streams starts afresh in every window, so that every window sees every age."""

INTERVAL = (math.pi / 42, math.pi / 4)
"""Radians between two samples of the evenly sampled streams."""


@dataclass(frozen=True)
class Window:
    """A piece of every stream; `weight` is how much each sample counts."""

    x: Float[Tensor, "streams time 1"]
    target: Float[Tensor, "streams time 1"]
    weight: Float[Tensor, "streams time 1"]


class Streams:
    """An endless source of windows, decided by its seed alone. It keeps the hidden states between them."""

    def __init__(self, count: int, hidden_size: int, seed: int) -> None:
        self.state = torch.zeros(1, count, hidden_size)
        self._random = np.random.default_rng(seed)
        self._phases = np.zeros((count, GROUPS * WINDOW))
        self._age = np.zeros(count, np.int64)
        self._start(slice(None))
        self._group = 0

    def next(self) -> Window:
        share = len(self._age) // GROUPS
        self._start(slice(self._group * share, (self._group + 1) * share))
        self._group = (self._group + 1) % GROUPS
        before = self._age[:, None] + np.arange(WINDOW)  # samples seen before each of these
        phase = np.take_along_axis(self._phases, before, 1)
        self._age += WINDOW
        # the first samples cannot be answered well: what they cost would drown the rest
        weight = np.select([before < 2, before < 5, before < 9], [0.001, 0.003, 0.1], 1.0)
        return Window(_tensor(np.sin(phase)), _tensor(np.cos(phase)), _tensor(weight))

    def _start(self, rows: slice) -> None:
        self._age[rows] = 0
        self.state[:, rows] = 0
        for row in self._phases[rows]:
            row[:] = draw_phases(self._random, len(row))


def draw_phases(random: np.random.Generator, time_steps: int) -> Float64[np.ndarray, " time"]:
    """Phases of one stream in radians: evenly sampled, or in chunks that repeat a sample at their seams.

    About half are sampled at any interval, a third are the tutorial's own chunks, and the rest are whatever
    else the page offers.
    """
    kind = random.random()
    anywhere = random.uniform(0, 2 * np.pi)
    if kind < 0.5:
        return anywhere + random.uniform(*INTERVAL) * np.arange(time_steps)
    if kind < 0.55:
        return anywhere + np.pi / random.integers(4, 41) * np.arange(time_steps)
    # a seam at a zero, as in the tutorial, matters most; elsewhere a repeated sample looks like a crest
    offset = 0.0 if random.random() < 0.7 else anywhere
    if kind < 0.87:
        return offset + _chunks(random, time_steps, samples=10, shortest=1, longest=3)
    samples = int(random.integers(4, 41))
    longest = int(random.integers(1, min(6, LONGEST_CHUNK // samples) + 1))
    shortest = int(random.integers(1, longest + 1))
    return offset + _chunks(random, time_steps, samples, shortest, longest)


def _chunks(
    random: np.random.Generator, time_steps: int, samples: int, shortest: int, longest: int
) -> Float64[np.ndarray, " time"]:
    lengths = random.integers(shortest, longest + 1, time_steps // (shortest * samples) + 1).tolist()
    position = 0
    chunks = []
    for length in lengths:
        chunks.append(np.linspace(position * np.pi, (position + length) * np.pi, length * samples))
        position += length
    phases: Float64[np.ndarray, " time"] = np.concatenate(chunks)[:time_steps]
    return phases


def _tensor(values: Float64[np.ndarray, "streams time"]) -> Float[Tensor, "streams time 1"]:
    return torch.from_numpy(values.astype(np.float32))[:, :, None]
