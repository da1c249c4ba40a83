"""Floors: mean losses that a kind of network cannot beat, whatever its weights."""

from dataclasses import dataclass

from model.recipe import Recipe


@dataclass(frozen=True)
class Floors:
    """Expected mean squared error at best: without any memory, and without state carried across seams.

    None where no such bound is known.
    """

    memoryless: float | None
    no_carry: float | None


def floors(recipe: Recipe) -> Floors:
    """The floors of a run, as expectations over its chunk lengths and start phases.

    A sine does not tell which of ±√(1 − sin²) its cosine is, and every chunk is as likely to begin on the
    rising side as on the falling one. So the best that a network can do for a sample it knows nothing else
    about is to answer 0, at the cost of cos². Without memory that is every sample: cos² is 1/2 on average,
    and with the tutorial's inclusive ends one of T samples more has cos² = 1, hence 1/2 + 1/(2T). Without
    carried state it is the first sample alone, where cos² = 1: hence 1/T.

    There is no floor where every chunk begins on the same side (shortest = longest, even), and none is given
    for several streams, whose start phases are not whole half-periods.
    """
    one_sided = recipe.shortest == recipe.longest and recipe.longest % 2 == 0
    if one_sided or recipe.most_streams > 1:
        return Floors(None, None)
    lengths = [half_periods * recipe.samples for half_periods in range(recipe.shortest, recipe.longest + 1)]
    no_carry = sum(1 / length for length in lengths) / len(lengths)
    return Floors(0.5 + (no_carry / 2 if recipe.sampling == "tutorial" else 0.0), no_carry)
