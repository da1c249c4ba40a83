"""Plan: the chunks that every kind of graph is given, in order."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from jaxtyping import Float32
from pydantic import Field

from model.recipe import Frozen
from model.signal import named_bits

Phase = Literal["known", "new", "streams"]

Rows = Float32[np.ndarray, "streams time"]

SEED = 1
INTERVAL = np.pi / 10
"""Radians between two samples, the tutorial's."""


class Planned(Frozen):
    """A chunk to come."""

    phase: Phase
    length: int = Field(ge=1)
    streams: int = Field(ge=1)


class Plan(Frozen):
    """Chunks, and the size of the network that sees them."""

    chunks: tuple[Planned, ...]
    hidden_size: int = 32

    def longest(self, phase: Phase) -> tuple[int, int]:
        """The most streams and time steps of a phase's chunks: what padding must make room for."""
        these = [chunk for chunk in self.chunks if chunk.phase == phase]
        return max(chunk.streams for chunk in these), max(chunk.length for chunk in these)

    def samples(self) -> Iterator[tuple[Planned, Rows, Rows]]:
        """Each chunk with its sines and cosines. Streams run beside each other, each from a phase of its own."""
        offsets = np.random.Generator(named_bits(SEED, "lab.offsets")).uniform(0, 2 * np.pi, 64)
        offsets[0] = 0
        clock = 0
        for chunk in self.chunks:
            steps = np.arange(clock, clock + chunk.length)
            t = offsets[: chunk.streams, None] + INTERVAL * steps
            clock += chunk.length
            yield chunk, np.sin(t).astype(np.float32), np.cos(t).astype(np.float32)


def full_plan() -> Plan:
    """30 chunks of 10, 20 or 30 time steps; 16 of lengths never seen before; 16 of 1 to 8 streams."""
    draw = np.random.Generator(named_bits(SEED, "lab.plan"))
    known = [Planned(phase="known", length=10 * int(k), streams=1) for k in draw.integers(1, 4, 30)]
    unseen = draw.permutation([length for length in range(5, 61) if length % 10])[:16]
    new = [Planned(phase="new", length=int(length), streams=1) for length in unseen]
    streams = [
        Planned(phase="streams", length=10 * int(k), streams=int(n))
        for k, n in zip(draw.integers(1, 4, 16), draw.integers(1, 9, 16), strict=True)
    ]
    return Plan(chunks=(*known, *new, *streams))
