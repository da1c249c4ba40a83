"""The tutorial's signal: sin as input and cos as target, in chunks of random length."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt64

from model.recipe import Recipe

TUTORIAL_HORIZON = 1024
"""Half-periods for which a float32 phase is still good enough to be the tutorial's own numbers (error < 1.3e-4)."""

GENERATORS = ("lengths", "streams", "noise")
"""The kinds of draws that a run makes while in motion, each from a generator of its own."""

MARK_CHUNKS = 64
"""After so many chunks a signal notes its state for `undo`: noting costs as much as a chunk, and to undo is rare."""

GeneratorState = UInt64[np.ndarray, "4"]


@dataclass
class Chunk:
    """A piece of the signal, seen by one update: `streams` rows of `length` time steps.

    `t` is the phase in radians; `input` is sin (and noise), `target` is cos.
    """

    length: int
    stream_ids: tuple[int, ...]
    t: Float64[np.ndarray, "streams time"]
    input: Float32[np.ndarray, "streams time"]
    target: Float32[np.ndarray, "streams time"]


@dataclass(frozen=True)
class SignalState:
    """Where a signal stands between two chunks.

    `position` counts half-periods; `offset` is each stream's phase in radians beyond the run's clock.
    """

    position: int
    next_stream_id: int
    stream_ids: Int64[np.ndarray, " streams"]
    offset: Float64[np.ndarray, " streams"]
    generators: dict[str, GeneratorState]


class Signal:
    """An endless source of chunks, decided by the recipe alone.

    Lengths, streams and noise draw from generators of their own, so that two runs of one seed see the same
    lengths whatever else differs between them. Of the streams, those that joined last leave first.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._position = 0
        self._next_stream_id = 1
        self._ids: tuple[int, ...] = (0,)
        self._offset: tuple[float, ...] = (0.0,)
        self._generators = {name: np.random.Generator(named_bits(recipe.seed, name)) for name in GENERATORS}
        self._mark = self.state
        self._since = 0  # chunks drawn from there on

    @property
    def stream_ids(self) -> tuple[int, ...]:
        """The streams of the newest chunk."""
        return self._ids

    def next(self) -> Chunk:
        """Draw the next chunk and move on past it."""
        if self._since == MARK_CHUNKS:
            self._mark, self._since = self.state, 0
        self._since += 1
        recipe = self._recipe
        half_periods = self._pick("lengths", recipe.shortest, recipe.longest)
        self._gather_streams(self._pick("streams", recipe.fewest_streams, recipe.most_streams))
        inclusive = recipe.sampling == "tutorial"
        t, input, target = _wave(self._position, half_periods, self._offset, recipe.samples, inclusive)
        if recipe.noise > 0:
            noise = recipe.noise * self._generators["noise"].standard_normal(input.shape)
            input = (input + noise).astype(np.float32)
        self._position += half_periods
        return Chunk(t.shape[1], self._ids, t, input, target)

    def undo(self) -> None:
        """Go back to before the newest chunk was drawn."""
        again = self._since - 1
        self.state = self._mark
        for _ in range(again):
            self.next()

    def _pick(self, name: str, least: int, most: int) -> int:
        # of one number a generator draws none, but takes its time
        return least if least == most else _drawn(self._generators[name].bit_generator, least, most)

    def _gather_streams(self, count: int) -> None:
        joining = count - len(self._ids)
        if joining > 0:
            self._ids += tuple(range(self._next_stream_id, self._next_stream_id + joining))
            self._next_stream_id += joining
            self._offset += tuple(self._generators["streams"].uniform(0.0, 2 * np.pi, joining).tolist())
        elif joining < 0:
            self._ids, self._offset = self._ids[:count], self._offset[:count]

    @property
    def state(self) -> SignalState:
        generators = {name: _pack(generator.bit_generator) for name, generator in self._generators.items()}
        ids, offset = np.array(self._ids, np.int64), np.array(self._offset, np.float64)
        return SignalState(self._position, self._next_stream_id, ids, offset, generators)

    @state.setter
    def state(self, state: SignalState) -> None:
        self._position = state.position
        self._next_stream_id = state.next_stream_id
        self._ids = tuple(state.stream_ids.tolist())
        self._offset = tuple(state.offset.tolist())
        for name, packed in state.generators.items():
            _unpack(self._generators[name].bit_generator, packed)
        self._mark, self._since = state, 0


def named_bits(seed: int, name: str) -> np.random.PCG64:
    """The random bits that belong to `name` in a run of this seed, independent of every other name's."""
    return np.random.PCG64(np.random.SeedSequence([seed, *name.encode()]))


def _drawn(bits: np.random.BitGenerator, least: int, most: int) -> int:
    """A whole number from `least` to `most`: the draw of `Generator.integers`, to the bit, at a fifth of its cost.

    Lemire, "Fast random integer generation in an interval", 2019.
    """
    numbers, draw = most - least + 1, bits.ctypes
    product: int = draw.next_uint32(draw.state) * numbers
    while product & _LOW_32 < numbers and product & _LOW_32 < (1 << 32) % numbers:
        product = draw.next_uint32(draw.state) * numbers
    return least + (product >> 32)


def _wave(
    position: int, half_periods: int, offset: tuple[float, ...], samples: int, inclusive: bool
) -> tuple[
    Float64[np.ndarray, "streams time"], Float32[np.ndarray, "streams time"], Float32[np.ndarray, "streams time"]
]:
    """Phase, sin and cos of the chunk that begins `position` half-periods after the start.

    The tutorial includes both ends of every chunk, so the last sample of one is the first of the next; it also
    rounds the phase to float32. Near the start we do as it does. Far out a float32 phase is no longer a sine:
    there the phase is first reduced by whole periods, exactly, since the position is a whole number.
    """
    t = _phases(position, half_periods, offset, samples, inclusive)
    if inclusive and position + half_periods <= TUTORIAL_HORIZON:
        phase = t.astype(np.float32)
        return t, np.sin(phase), np.cos(phase)
    return t, *_reduced(position % 2, half_periods, offset, samples, inclusive)


@lru_cache(maxsize=256)
def _reduced(
    position: int, half_periods: int, offset: tuple[float, ...], samples: int, inclusive: bool
) -> tuple[Float32[np.ndarray, "streams time"], Float32[np.ndarray, "streams time"]]:
    """Sin and cos of a chunk from the first period on, read-only: all that run with one stream share theirs."""
    phase = _phases(position, half_periods, offset, samples, inclusive)
    input, target = np.sin(phase).astype(np.float32), np.cos(phase).astype(np.float32)
    input.flags.writeable = target.flags.writeable = False
    return input, target


def _phases(
    position: int, half_periods: int, offset: tuple[float, ...], samples: int, inclusive: bool
) -> Float64[np.ndarray, "streams time"]:
    """`np.linspace` for each stream, to the bit, at a quarter of its cost for a few short rows."""
    count = half_periods * samples
    start, stop = position * math.pi, (position + half_periods) * math.pi
    t: Float64[np.ndarray, "streams time"] = np.empty((len(offset), count))
    for row, ahead in zip(t, offset, strict=True):
        first, last = ahead + start, ahead + stop
        np.multiply(_numbers(count), (last - first) / (count - inclusive), row)
        np.add(row, first, row)
        if inclusive:
            row[-1] = last
    return t


@lru_cache(maxsize=256)
def _numbers(count: int) -> Float64[np.ndarray, " count"]:
    return np.arange(count, dtype=np.float64)


_LOW, _LOW_32 = (1 << 64) - 1, (1 << 32) - 1


def _pack(bits: np.random.BitGenerator) -> GeneratorState:
    state = bits.state
    value = state["state"]["state"]
    return np.array([value >> 64, value & _LOW, state["has_uint32"], state["uinteger"]], np.uint64)


def _unpack(bits: np.random.BitGenerator, packed: GeneratorState) -> None:
    # the increment of a PCG64 is its seed's and never moves, so the freshly seeded one already has it
    high, low, has_uint32, uinteger = (int(part) for part in packed)
    state = dict(bits.state)
    state["state"] = {"state": high << 64 | low, "inc": state["state"]["inc"]}
    bits.state = state | {"has_uint32": has_uint32 & 1, "uinteger": uinteger & 0xFFFFFFFF}
