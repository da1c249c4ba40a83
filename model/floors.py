"""Floors: mean losses that a kind of network cannot beat, whatever its weights."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from model.recipe import Recipe


@dataclass(frozen=True)
class Floors:
    """Expected mean squared error at best, of a network whose weights rest.

    `memoryless`: without any memory. `no_carry`: without state carried across the seams between chunks. None where
    every chunk begins alike, so that the input alone decides. `joining`: what even a network that carries its state
    pays for streams that join, since those bring none; 0 for a single stream.
    """

    memoryless: float | None
    no_carry: float | None
    joining: float


def floors(recipe: Recipe) -> Floors:
    """The floors of a run, as expectations over its chunk lengths, start phases and numbers of streams.

    The loss of a chunk is the mean over its S streams and T time steps, so one sample counts 1/(S·T). An input
    sin φ leaves open which of ±√(1 − sin² φ) its cosine is. Where both signs are equally likely the best answer is
    0, and it costs cos² φ; where anything tells them apart the best answer is right, and costs nothing.

    Stream 0 starts each chunk at φ = 0 or π, both equally often once odd lengths have mixed them.
        No carry: the first sample is sin φ = 0 and costs cos² φ = 1; the sign of the second tells the rest. Per
        chunk 1/T.
        Memoryless: every sample costs cos² φ, since φ and π − φ are equally frequent. That is 1/2 on average, and
        with the tutorial's inclusive ends one sample of T more has cos² = 1: 1/2 + 1/(2T).
    Streams beyond the fewest come and go, each time at a phase φ that is uniform over the circle.
        No carry: the first sample of each chunk costs E[cos² φ] = 1/2: 1/(2T). Memoryless: each costs 1/2.
        Joining: with carried state only the first sample ever costs it: 1/(2T) once.
    Streams 1 to fewest − 1 join at the first update and keep their one offset for ever. Weights can know it by
    heart, and sin of it is never 0: they may cost nothing at all.

    With S uniform from the fewest f to the most, S' the number before it, and all draws independent:
        no_carry   = E[1/T] · E[(1 + (S − f)/2) / S]
        memoryless = E[(1/2 + (S − f)/2) / S], and E[1/(2T)] · E[1/S] more with inclusive ends
        joining    = E[1/(2T)] · E[max(0, S − S') / S]

    Noise on the input only takes knowledge away: the floors still hold, but are no longer reached. docs/floors.md
    has this at length.
    """
    per_sample = fmean(1 / (half_periods * recipe.samples) for half_periods in _range(recipe.shortest, recipe.longest))
    counts = _range(recipe.fewest_streams, recipe.most_streams)
    joining = per_sample / 2 * fmean(max(0, now - before) / now for now in counts for before in counts)
    if recipe.shortest == recipe.longest and recipe.longest % 2 == 0:
        return Floors(None, None, joining)
    first = fmean(1 / streams for streams in counts)
    passing = fmean((streams - recipe.fewest_streams) / streams for streams in counts)
    repeated = first * per_sample / 2 if recipe.sampling == "tutorial" else 0.0
    return Floors((first + passing) / 2 + repeated, per_sample * (first + passing / 2), joining)


def _range(least: int, most: int) -> Iterable[int]:
    return range(least, most + 1)
