"""The fleet: the reference's numbers, and the same bits in any company."""

import gc
from functools import partial
from itertools import cycle
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.checkpoint import Checkpoint
from model.fleet.fleet import TILE_LEARNERS, VECTOR, Fleet
from model.learner import Diverged, Learner, Update, advance_together
from model.network import Network
from model.play import View
from model.program import Task
from model.recipe import Change, Recipe
from model.torch_program import TorchProgram

ALL_VIEWS: frozenset[View] = frozenset(("hidden", "gradient", "after", "graph"))
NOTHING: frozenset[View] = frozenset()
SIZES = (1, 7, 31, 32, 33, 50, 127, 128)


@st.composite
def recipes(draw: st.DrawFn, most_size: int = 128, most_rate: float = 1.0) -> Recipe:
    shortest, fewest = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return Recipe(
        seed=draw(st.integers(0, 1000)),
        cell=draw(st.sampled_from(("rnn", "gru", "lstm"))),
        hidden_size=draw(st.sampled_from([size for size in SIZES if size <= most_size])),
        train=draw(st.sampled_from((True, True, True, False))),
        optimizer=draw(st.sampled_from(("adam", "sgd"))),
        learning_rate=draw(st.sampled_from([rate for rate in (1e-3, 5e-3, 0.02, 0.3) if rate <= most_rate])),
        carry_state=draw(st.booleans()),
        shortest=shortest,
        longest=draw(st.integers(shortest, 4)),
        samples=draw(st.integers(4, 12)),
        fewest_streams=fewest,
        most_streams=draw(st.integers(fewest, 4)),
        noise=draw(st.sampled_from((0.0, 0.1))),
    )


RANDOM = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def told(update: Update | Diverged) -> tuple[bytes, ...]:
    """All of an update that does not depend on a clock, views included."""
    if isinstance(update, Diverged):
        return (repr((update.update, update.tensor)).encode(), update.last_good.to_bytes())
    arrays = (update.t, update.input, update.prediction, update.hidden, update.gradient, update.prediction_after)
    rest = repr((update.update, update.stream_ids, update.loss, update.mean_loss, update.nodes))
    return (rest.encode(), *(array.tobytes() for array in arrays if array is not None))


# ---------------------------------------------------------------- against the reference


@RANDOM
@given(recipes(most_size=50, most_rate=0.02))
def test_fleet_and_reference_agree_over_60_updates_in_float64(recipe: Recipe) -> None:
    ours = Learner(recipe, compiled=Fleet(np.float64).join)
    reference = Learner(recipe, compiled=partial(TorchProgram, dtype=torch.float64))
    for _ in range(60):
        assert ours.advance().loss == pytest.approx(reference.advance().loss, rel=1e-4)


@RANDOM
@given(recipes(most_rate=0.02))
def test_fleet_and_reference_agree_over_10_updates_in_float32(recipe: Recipe) -> None:
    ours, reference = Learner(recipe), Learner(recipe, compiled=TorchProgram)
    for _ in range(10):
        assert ours.advance().loss == pytest.approx(reference.advance().loss, rel=1e-4)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("size", [7, 32])
@pytest.mark.parametrize("train", [True, False])
def test_views_are_the_references(cell: str, size: int, train: bool) -> None:
    recipe = Recipe.model_validate({"cell": cell, "hidden_size": size, "most_streams": 3, "train": train})
    ours = Learner(recipe, compiled=Fleet(np.float64).join)
    reference = Learner(recipe, compiled=partial(TorchProgram, dtype=torch.float64))
    for _ in range(5):
        mine, theirs = ours.advance(ALL_VIEWS), reference.advance(ALL_VIEWS)
        assert mine.nodes == theirs.nodes
        for name in ("prediction", "hidden", "gradient", "prediction_after"):
            np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_tensors_go_in_and_come_out_as_pytorch_lays_them_out(cell: str, optimizer: str) -> None:
    recipe = Recipe.model_validate({"cell": cell, "optimizer": optimizer, "hidden_size": 7})
    network = Network(recipe.cell, 7, torch.Generator().manual_seed(3))
    seat, reference = Fleet().join(recipe, network), TorchProgram(recipe, network)
    for name, weight in network.arrays().items():
        assert np.array_equal(seat.tensors()[name], weight)
    x = np.sin(np.arange(20, dtype=np.float32)).reshape(2, 10)
    for program in (seat, reference):
        program.run(Task(x, -x, None, 0.01, NOTHING))
    ours, theirs = seat.tensors(), reference.tensors()
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        np.testing.assert_allclose(ours[name], tensor, rtol=1e-3, atol=1e-7, err_msg=name)


# ---------------------------------------------------------------- in any company


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_same_bits_alone_and_in_any_company_for_any_hidden_size(cell: str, size: int) -> None:
    recipe = Recipe.model_validate({"cell": cell, "hidden_size": size, "samples": 5, "most_streams": 2})
    alone = Learner(recipe)
    expected = [told(alone.advance(ALL_VIEWS)) for _ in range(8)]
    fleet = Fleet()
    padded = -(-size // VECTOR) * VECTOR
    others = [
        Learner(recipe.model_copy(update={"seed": seed, "hidden_size": max(1, padded - seed)}), compiled=fleet.join)
        for seed in range(2, 8)
    ]
    learner = Learner(recipe, compiled=fleet.join)
    for at in range(8):
        company = others[: at % 4]
        together = [*company, learner, *others[4 : 4 + at % 3]]
        made = advance_together([(one, ALL_VIEWS if one is learner else NOTHING) for one in together])
        assert told(made[len(company)]) == expected[at]
    assert learner.checkpoint().to_bytes() == alone.checkpoint().to_bytes()


class Tick(NamedTuple):
    """What happens around an update of the watched one. Numbers count those there are by then, in a circle."""

    joining: list[Recipe]
    leaving: list[int]
    playing: list[bool]
    pauses: bool
    resumes: bool
    place: int


@st.composite
def ticks(draw: st.DrawFn, watched: Recipe) -> list[Tick]:
    # in its tile, often with chunks of its length; the rest are small, to take less time
    shared = {"cell", "hidden_size", "samples", "shortest", "longest", "fewest_streams", "most_streams"}
    alike = recipes().map(lambda other: other.model_copy(update=watched.model_dump(include=shared)))
    joining = st.lists(st.one_of(alike, alike, recipes(most_size=33)), max_size=5)
    leaving = st.lists(st.integers(0, 9), max_size=2)
    seldom = st.sampled_from((False, False, False, True))
    tick = st.builds(Tick, joining, leaving, st.lists(st.booleans(), min_size=1), seldom, seldom, st.integers(0, 9))
    return draw(st.lists(tick, min_size=12, max_size=12))


@settings(RANDOM, max_examples=40, suppress_health_check=[*HealthCheck])
@given(st.data())
def test_the_same_bits_whoever_joins_leaves_pauses_and_changes(data: st.DataObject) -> None:
    watched = data.draw(recipes())
    changes = data.draw(
        st.dictionaries(
            st.integers(0, 11), st.sampled_from(({"learning_rate": 0.3}, {"train": False}, {"train": True}))
        )
    )
    log = [Change.model_validate({"after_update": at, **fields}) for at, fields in sorted(changes.items())]
    fleet = Fleet()
    learner = Learner(watched, changes=log, compiled=fleet.join)
    others: list[Learner] = []
    seen: list[tuple[bytes, ...]] = []
    for tick in data.draw(ticks(watched)):
        others += [Learner(recipe, compiled=fleet.join) for recipe in tick.joining]
        for leaving in tick.leaving[: len(others)]:
            others.pop(leaving % len(others))
        together = [other for other, plays in zip(others, cycle(tick.playing), strict=False) if plays]
        if tick.pauses:
            advance_together([(one, NOTHING) for one in together])
        if tick.resumes:
            learner = Learner.resume(Checkpoint.from_bytes(learner.checkpoint().to_bytes()), compiled=fleet.join)
        place = tick.place % (len(together) + 1)
        together.insert(place, learner)
        made = advance_together([(one, NOTHING) for one in together])[place]
        seen.append(told(made))
        if isinstance(made, Diverged):
            break
    alone = Learner(watched, changes=log)
    assert [told(advance_together([(alone, NOTHING)])[0]) for _ in seen] == seen
    assert alone.checkpoint().to_bytes() == learner.checkpoint().to_bytes()


def test_more_than_one_tile_gives_the_same_bits() -> None:
    count = TILE_LEARNERS + 9
    fleet = Fleet()
    together = [Learner(Recipe(seed=seed, samples=4), compiled=fleet.join) for seed in range(count)]
    for _ in range(3):
        made = advance_together([(one, NOTHING) for one in together])
    for seed in (0, 5, count - 1):
        alone = Learner(Recipe(seed=seed, samples=4))
        assert told([alone.advance() for _ in range(3)][-1]) == told(made[seed])


def test_one_that_diverges_stops_alone() -> None:
    wild = Recipe(optimizer="sgd", learning_rate=1.0, hidden_size=128)
    fleet = Fleet()
    learners = [Learner(recipe, compiled=fleet.join) for recipe in (Recipe(hidden_size=128, optimizer="sgd"), wild)]
    calm = Learner(Recipe(hidden_size=128, optimizer="sgd"))
    stopped = False
    while not stopped:
        mine, other = advance_together([(one, NOTHING) for one in learners])
        stopped = isinstance(other, Diverged)
        assert told(mine) == told(calm.advance())
    assert isinstance(other, Diverged)
    assert learners[1].update == other.update - 1 == other.last_good.run.update
    assert learners[1].checkpoint().to_bytes() == other.last_good.to_bytes()


# ---------------------------------------------------------------- joining and leaving


def test_who_leaves_makes_room_and_nobody_elses_numbers_move() -> None:
    fleet = Fleet()
    learners = {seed: Learner(Recipe(seed=seed), compiled=fleet.join) for seed in range(40)}
    alone = Learner(Recipe(seed=39))
    alone.advance()
    advance_together([(one, NOTHING) for one in learners.values()])
    (slab,) = fleet.slabs
    assert len(slab.places) == 40
    for seed in range(38):
        del learners[seed]
    gc.collect()
    advance_together([(one, NOTHING) for one in learners.values()])
    assert len(slab.places) == 2
    assert len(slab.rows) <= 8, "the slab has shrunk"
    assert told(learners[39].advance()) == [told(alone.advance()) for _ in range(2)][-1]
    learners.clear()
    gc.collect()
    Learner(Recipe(hidden_size=1, cell="gru"), compiled=fleet.join)
    assert slab not in fleet.slabs, "nothing is kept of an architecture that nobody trains"
