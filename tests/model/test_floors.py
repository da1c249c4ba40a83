"""The floors, against the best that can be done with the very chunks that a run is made of."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.floors import floors
from model.learner import Learner
from model.recipe import Recipe
from model.signal import TUTORIAL_HORIZON, Signal

Row = NDArray[np.float64]
Rows = NDArray[np.float32]

FAR = 2 * TUTORIAL_HORIZON
"""A start beyond which phases are exact but for the last bits, and even as the true start is."""

SAME = 1e-5
"""Inputs no further apart are one input: far beyond rounding, far below the steps of a chunk's grid."""


@st.composite
def lengths(draw: st.DrawFn) -> dict[str, object]:
    """Lengths and sampling of a recipe, every combination that is allowed."""
    samples = draw(st.integers(4, 40))
    longest = draw(st.integers(1, min(6, 120 // samples)))
    shortest = draw(st.integers(1, longest))
    sampling = draw(st.sampled_from(["tutorial", "uniform"]))
    return {"samples": samples, "shortest": shortest, "longest": longest, "sampling": sampling}


def recipe_of(**fields: object) -> Recipe:
    return Recipe.model_validate(fields)


# ---------------------------------------------------------------- one stream: every chunk that there is


@dataclass(frozen=True)
class Start:
    """A chunk by what decides it, with how often it comes."""

    input: Row
    target: Row
    often: float


def starts(recipe: Recipe) -> list[Start]:
    """Every chunk of a one-stream run, by its length and the side that it begins on, met by running the signal.

    How often each comes: the share of its length, times that of its side once the run has forgotten its start. The
    sides follow from the lengths: an even one keeps the side, an odd one changes it. So both come equally often,
    unless every length is even.
    """
    signal = Signal(recipe)
    signal.state = replace(signal.state, position=FAR)
    kinds = recipe.longest - recipe.shortest + 1
    sided = 1 if kinds == 1 and recipe.longest % 2 == 0 else 2
    found: dict[tuple[int, int], Start] = {}
    while len(found) < kinds * sided:
        side = signal.state.position % 2
        chunk = signal.next()
        input, target = chunk.input[0].astype(float), chunk.target[0].astype(float)
        found[chunk.length, side] = Start(input, target, 1 / (kinds * sided))
    return list(found.values())


def cost(cells: dict[object, list[tuple[float, float]]]) -> float:
    """The least loss when all that is known of a target is its cell, which holds (weight, target) pairs.

    The best answer is the cell's mean, and what remains is the variance around it.
    """
    total = 0.0
    for pairs in cells.values():
        weights, targets = np.array(pairs).T
        total += float(weights @ (targets - np.average(targets, weights=weights)) ** 2)
    return total


def clusters(values: Row) -> list[int]:
    """A number for each value: the same for those that cannot be told apart."""
    order = np.argsort(values)
    numbers = np.empty(len(values), int)
    numbers[order] = np.cumsum(np.diff(values[order], prepend=values[order[0]]) > SAME)
    return numbers.tolist()


def best_memoryless(recipe: Recipe) -> float:
    """Each sample answered by the mean of all targets that come with its input."""
    chunks = starts(recipe)
    inputs = clusters(np.concatenate([chunk.input for chunk in chunks]))
    cells: dict[object, list[tuple[float, float]]] = defaultdict(list)
    at = iter(inputs)
    for chunk in chunks:
        for target in chunk.target:
            cells[next(at)].append((chunk.often / len(chunk.target), target))
    return cost(cells)


def best_without_carry(recipe: Recipe) -> float:
    """Each sample answered by the mean of all targets that come with the chunk's inputs up to it."""
    chunks = starts(recipe)
    seen: list[tuple[int, ...]] = [() for _ in chunks]
    cells: dict[object, list[tuple[float, float]]] = defaultdict(list)
    for time in range(max(len(chunk.input) for chunk in chunks)):
        there = [which for which, chunk in enumerate(chunks) if time < len(chunk.input)]
        for which, cluster in zip(there, clusters(np.array([chunks[i].input[time] for i in there])), strict=True):
            chunk = chunks[which]
            seen[which] += (cluster,)
            cells[seen[which]].append((chunk.often / len(chunk.input), chunk.target[time]))
    return cost(cells)


@settings(max_examples=60, deadline=None)
@given(fields=lengths())
def test_they_are_what_the_best_predictors_of_each_kind_reach(fields: dict[str, object]) -> None:
    recipe = recipe_of(**fields)
    known = floors(recipe)
    assert known.joining == 0
    best = best_memoryless(recipe), best_without_carry(recipe)
    if recipe.shortest == recipe.longest and recipe.longest % 2 == 0:
        assert (known.memoryless, known.no_carry) == (None, None)
        assert best[1] < 1e-6, "every chunk begins alike: there is nothing to carry"
    else:
        assert best == pytest.approx((known.memoryless, known.no_carry), abs=1e-6)


@pytest.mark.parametrize(
    ("fields", "memoryless", "no_carry"),
    [
        ({}, 0.5306, 0.0611),
        ({"shortest": 1, "longest": 1}, 0.55, 0.1),
        ({"shortest": 3, "longest": 3}, 0.5 + 1 / 60, 1 / 30),
        ({"sampling": "uniform"}, 0.5, 0.0611),
        ({"sampling": "uniform", "shortest": 1, "longest": 1, "samples": 4}, 0.5, 0.25),
        ({"shortest": 2, "longest": 2}, None, None),
        ({"shortest": 6, "longest": 6, "sampling": "uniform"}, None, None),
    ],
)
def test_they_are_the_ones_that_the_page_promises(
    fields: dict[str, object], memoryless: float | None, no_carry: float | None
) -> None:
    known = floors(recipe_of(**fields))
    for value, wanted in ((known.memoryless, memoryless), (known.no_carry, no_carry)):
        assert value == (None if wanted is None else pytest.approx(wanted, abs=5e-5))
    assert known.joining == 0.0


@pytest.mark.parametrize("lasts", [(1, 1), (1, 2), (1, 3), (2, 3), (3, 3)])
def test_a_run_begins_its_chunks_on_either_side_equally_often(lasts: tuple[int, int]) -> None:
    signal = Signal(recipe_of(shortest=lasts[0], longest=lasts[1], samples=4))
    sides = []
    for _ in range(1500):
        sides.append(signal.state.position % 2)
        signal.next()
    assert fmean(sides) == pytest.approx(0.5, abs=0.06)


# ---------------------------------------------------------------- several streams: a run, row by row


class Knowing:
    """The best that is possible for one row of a chunk without carried state.

    It knows which phases a row may start at and which lengths there are, keeps those that agree with the inputs so
    far, and answers their mean: a Bayesian's posterior, prior odds being equal.

    Args:
        lasting: the offsets, beside 0, that streams keep for ever.
    """

    def __init__(self, recipe: Recipe, lasting: Row) -> None:
        lasts = np.arange(recipe.shortest, recipe.longest + 1)
        self.steps = lasts * np.pi / (lasts * recipe.samples - (recipe.sampling == "tutorial"))
        self.known = np.concatenate([phases for offset in (0.0, *lasting) for phases in [[offset, offset + np.pi]]])

    def loss(self, input: Row, target: Row) -> Row:
        """The squared error of each sample."""
        starts = self.known[np.abs(np.sin(self.known) - input[0]) < SAME]
        if len(starts) == 0:  # one of those that come and go: all that its first sample tells is its sine
            rising = np.arcsin(np.clip(input[0], -1, 1))
            starts = np.array([rising, np.pi - rising])
        phases = starts[:, None, None] + self.steps[:, None] * np.arange(len(input))
        phases = phases.reshape(-1, len(input))
        wrong = np.maximum.accumulate(np.abs(np.sin(phases) - input), axis=1)
        agree = wrong < wrong.min(0) + SAME
        return ((np.cos(phases) * agree).sum(0) / agree.sum(0) - target) ** 2


def run_of_streams(recipe: Recipe, chunks: int) -> Iterator[tuple[tuple[int, ...], set[int], Rows, Rows]]:
    """Ids, those that have just joined, input and target of each chunk, after the first."""
    signal = Signal(recipe)
    signal.state = replace(signal.state, position=FAR)
    before = set(signal.next().stream_ids)
    for _ in range(chunks):
        chunk = signal.next()
        yield chunk.stream_ids, set(chunk.stream_ids) - before, chunk.input, chunk.target
        before = set(chunk.stream_ids)


SPREAD = [(1, 2), (1, 8), (2, 2), (3, 8)]


@pytest.mark.parametrize("streams", SPREAD)
@pytest.mark.parametrize("sampling", ["tutorial", "uniform"])
def test_with_streams_they_are_what_a_long_run_costs_who_knows_all_that_may_be_known(
    streams: tuple[int, int], sampling: str
) -> None:
    fewest, most = streams
    recipe = recipe_of(fewest_streams=fewest, most_streams=most, sampling=sampling, samples=6)
    signal = Signal(recipe)
    signal.next()
    knowing = Knowing(recipe, signal.state.offset[1:fewest])
    memoryless, no_carry, joining = [], [], []
    for ids, joined, input, target in run_of_streams(recipe, 1500):
        size = target.size
        squares = target.astype(float) ** 2
        # streams 1 to fewest - 1 have inputs that no other stream has, so that their sign may be known
        memoryless.append(sum(squares[row].sum() for row, id in enumerate(ids) if not 1 <= id < fewest) / size)
        errors = [knowing.loss(x.astype(float), y.astype(float)) for x, y in zip(input, target, strict=True)]
        no_carry.append(sum(error.sum() for error in errors) / size)
        joining.append(sum(error.sum() for error, id in zip(errors, ids, strict=True) if id in joined) / size)
    known = floors(recipe)
    for floor, costs in ((known.memoryless, memoryless), (known.no_carry, no_carry), (known.joining, joining)):
        # neighbouring chunks share their streams, so count a sixteenth of them as independent
        spread = 4 * np.std(costs) / (len(costs) / 16) ** 0.5
        assert fmean(costs) == pytest.approx(floor, abs=spread + 1e-6)


@pytest.mark.parametrize("streams", [(1, 2), (3, 8)])
def test_an_input_of_a_passing_stream_says_nothing_of_its_sign(streams: tuple[int, int]) -> None:
    fewest, most = streams
    recipe = recipe_of(fewest_streams=fewest, most_streams=most)
    cells: dict[object, list[float]] = defaultdict(list)
    for _, joined, input, target in run_of_streams(recipe, 3000):
        for x, y in zip(input[-len(joined) :] if joined else [], target[-len(joined) :], strict=bool(joined)):
            cells[round(float(x[0]) * 4)].append(float(y[0]))
    for targets in cells.values():
        assert abs(fmean(targets)) < 4 * np.std(targets) / len(targets) ** 0.5


def test_a_single_stream_is_the_case_of_one() -> None:
    for fields in ({}, {"shortest": 1, "longest": 1}, {"sampling": "uniform"}):
        one = floors(recipe_of(**fields))
        many = floors(recipe_of(**fields, most_streams=2))
        assert one.memoryless is not None
        assert many.no_carry is not None
        assert one.no_carry == pytest.approx(many.no_carry / (0.5 + 0.5 * 0.75))
        assert many.joining == pytest.approx(one.no_carry / 2 * 0.25 * 0.5)


def test_the_share_of_joining_streams_is_counted_out() -> None:
    recipe = recipe_of(shortest=1, longest=1, most_streams=3)
    # of nine pairs of counts three let streams join: one in two, two in three, one in three
    share = (1 / 2 + 2 / 3 + 1 / 3) / 9
    assert floors(recipe).joining == pytest.approx(share / (2 * 10))


def test_streams_that_join_cost_something_even_where_every_chunk_begins_alike() -> None:
    known = floors(recipe_of(shortest=2, longest=2, most_streams=3))
    assert (known.memoryless, known.no_carry) == (None, None)
    assert known.joining > 0


# ---------------------------------------------------------------- with noise, and for real networks


@pytest.mark.parametrize("noise", [0.001, 0.1, 1.0])
@pytest.mark.parametrize("fields", [{}, {"shortest": 1, "longest": 1}, {"sampling": "uniform", "samples": 4}])
def test_noise_leaves_them_valid(fields: dict[str, object], noise: float) -> None:
    """Against the posterior mean under Gaussian noise, over all starts and lengths: no predictor does better."""
    recipe = recipe_of(**fields)
    chunks = starts(recipe)
    pairs = [np.stack([chunk.input, chunk.target, np.full(len(chunk.input), 1 / len(chunk.input))]) for chunk in chunks]
    every_input, every_target, every_weight = np.concatenate(pairs, axis=1)
    random = np.random.default_rng(1)
    memoryless, no_carry = [], []
    for chunk in [chunks[i] for i in random.integers(len(chunks), size=400)]:
        x = chunk.input + noise * random.standard_normal(len(chunk.input))
        odds = every_weight * likelihood(-(((x[:, None] - every_input) / noise) ** 2) / 2)
        memoryless.append(np.mean((odds @ every_target / odds.sum(1) - chunk.target) ** 2))
        logs, answers = np.zeros(len(chunks)), []
        for time, now in enumerate(x):
            there = [which for which, other in enumerate(chunks) if time < len(other.input)]
            logs[there] -= [((now - chunks[which].input[time]) / noise) ** 2 / 2 for which in there]
            odds = likelihood(logs[there]) / [len(chunks[which].input) for which in there]
            answers.append(odds @ [chunks[which].target[time] for which in there] / odds.sum())
        no_carry.append(np.mean((answers - chunk.target) ** 2))
    known = floors(recipe.model_copy(update={"noise": noise}))
    assert known == floors(recipe)
    for floor, costs in ((known.memoryless, memoryless), (known.no_carry, no_carry)):
        assert floor is not None
        spread = 4 * np.std(costs) / len(costs) ** 0.5
        assert fmean(costs) > floor - spread - 1e-6
    assert known.no_carry is not None
    if noise < 0.01:
        assert fmean(no_carry) == pytest.approx(known.no_carry, rel=0.1), "hardly any noise: hardly any harm"
    elif noise == 1:
        assert fmean(no_carry) > 1.5 * known.no_carry, "much noise: no longer reached"


def likelihood(logs: Row) -> Row:
    """Without overflow: the most likely counts 1."""
    return np.exp(logs - logs.max(-1, keepdims=True))


def test_a_network_that_carries_its_state_gets_under_the_floor_and_one_that_does_not_stays_above() -> None:
    recipe = recipe_of(shortest=1, longest=1, samples=5)
    last = {}
    for carry_state in (True, False):
        learner = Learner(recipe.model_copy(update={"carry_state": carry_state}))
        last[carry_state] = fmean([learner.advance().loss for _ in range(150)][-100:])
    no_carry = floors(recipe).no_carry
    assert no_carry == pytest.approx(0.2)
    assert last[True] < 0.05
    assert 0.19 < last[False] < 0.22
