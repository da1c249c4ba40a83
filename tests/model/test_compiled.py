"""The compiled program: the reference's numbers, and the same bits whoever else learns."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.checkpoint import Checkpoint
from model.compiled.program import CompiledProgram
from model.learner import Diverged, Learner, Update
from model.network import Network
from model.play import View
from model.program import NotFinite, Task
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


in_float64 = partial(CompiledProgram, dtype=np.float64)
reference_in_float64 = partial(TorchProgram, dtype=torch.float64)


def advanced(learner: Learner, views: frozenset[View] = NOTHING) -> Update | Diverged:
    """The next update, or how it ended."""
    try:
        return learner.advance(views)
    except Diverged as end:
        return end


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
def test_compiled_and_reference_agree_over_60_updates_in_float64(recipe: Recipe) -> None:
    ours, reference = Learner(recipe, compiled=in_float64), Learner(recipe, compiled=reference_in_float64)
    for _ in range(60):
        assert ours.advance().loss == pytest.approx(reference.advance().loss, rel=1e-9)


@RANDOM
@given(recipes(most_rate=0.02))
def test_compiled_and_reference_agree_over_10_updates_in_float32(recipe: Recipe) -> None:
    ours, reference = Learner(recipe), Learner(recipe, compiled=TorchProgram)
    for _ in range(10):
        assert ours.advance().loss == pytest.approx(reference.advance().loss, rel=1e-4)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("size", [7, 32])
@pytest.mark.parametrize("train", [True, False])
def test_views_are_the_references(cell: str, size: int, train: bool) -> None:
    recipe = Recipe.model_validate({"cell": cell, "hidden_size": size, "most_streams": 3, "train": train})
    ours, reference = Learner(recipe, compiled=in_float64), Learner(recipe, compiled=reference_in_float64)
    for _ in range(5):
        mine, theirs = ours.advance(ALL_VIEWS), reference.advance(ALL_VIEWS)
        for name in ("prediction", "hidden", "gradient", "prediction_after"):
            np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=1e-5, atol=1e-7)


def test_a_compiled_program_builds_no_graph_to_be_counted() -> None:
    assert Learner(Recipe(framework="compiled")).advance(ALL_VIEWS).nodes is None
    assert Learner(Recipe(framework="torch")).advance(ALL_VIEWS).nodes is not None


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_tensors_go_in_and_come_out_as_pytorch_lays_them_out(cell: str, optimizer: str) -> None:
    recipe = Recipe.model_validate({"cell": cell, "optimizer": optimizer, "hidden_size": 7})
    network = Network(recipe.cell, 7, torch.Generator().manual_seed(3))
    ours, reference = CompiledProgram(recipe, network), TorchProgram(recipe, network)
    for name, weight in network.arrays().items():
        assert np.array_equal(ours.tensors()[name], weight)
    x = np.sin(np.arange(20, dtype=np.float32)).reshape(2, 10)
    for program in (ours, reference):
        program.run(Task(x, -x, None, 0.01, NOTHING))
    mine, theirs = ours.tensors(), reference.tensors()
    assert mine.keys() == theirs.keys()
    for name, tensor in theirs.items():
        np.testing.assert_allclose(mine[name], tensor, rtol=1e-3, atol=1e-7, err_msg=name)


# ---------------------------------------------------------------- the same bits


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_same_bits_alone_and_in_any_company_for_any_hidden_size(cell: str, size: int) -> None:
    recipe = Recipe.model_validate({"cell": cell, "hidden_size": size, "samples": 5, "most_streams": 2})
    alone = Learner(recipe)
    expected = [told(alone.advance(ALL_VIEWS)) for _ in range(8)]
    sizes = (1, 17, 128, size)
    others = [Learner(recipe.model_copy(update={"seed": 2 + at, "hidden_size": sizes[at]})) for at in range(4)]
    learner = Learner(recipe)
    for at, wanted in enumerate(expected):
        for other in others[: at % 5]:  # in the room that the learner works in too
            other.advance(ALL_VIEWS)
        assert told(learner.advance(ALL_VIEWS)) == wanted
    assert learner.checkpoint().to_bytes() == alone.checkpoint().to_bytes()


@RANDOM
@given(recipes())
def test_the_same_bits_with_views_on_or_off(recipe: Recipe) -> None:
    watched, unwatched = Learner(recipe), Learner(recipe)
    for _ in range(8):
        seen, unseen = advanced(watched, ALL_VIEWS), advanced(unwatched)
        if isinstance(seen, Diverged) or isinstance(unseen, Diverged):
            assert told(seen) == told(unseen)
            return
        assert (seen.loss, seen.prediction.tobytes()) == (unseen.loss, unseen.prediction.tobytes())
    assert watched.checkpoint().to_bytes() == unwatched.checkpoint().to_bytes()


class Tick(NamedTuple):
    """What happens before an update of the watched one. Numbers count those there are by then, in a circle."""

    joining: list[Recipe]
    leaving: list[int]
    playing: list[bool]
    resumes: bool


@st.composite
def ticks(draw: st.DrawFn) -> list[Tick]:
    joining = st.lists(recipes(most_size=33), max_size=3)
    leaving = st.lists(st.integers(0, 9), max_size=2)
    seldom = st.sampled_from((False, False, False, True))
    tick = st.builds(Tick, joining, leaving, st.lists(st.booleans(), min_size=1), seldom)
    return draw(st.lists(tick, min_size=12, max_size=12))


@settings(RANDOM, max_examples=40, suppress_health_check=[*HealthCheck])
@given(recipes(), ticks(), st.data())
def test_the_same_bits_whoever_joins_leaves_pauses_and_changes(
    watched: Recipe, happening: list[Tick], data: st.DataObject
) -> None:
    changes = data.draw(
        st.dictionaries(
            st.integers(0, 11), st.sampled_from(({"learning_rate": 0.3}, {"train": False}, {"train": True}))
        )
    )
    log = [Change.model_validate({"after_update": at, **fields}) for at, fields in sorted(changes.items())]
    learner = Learner(watched, changes=log)
    others: list[Learner] = []
    seen: list[tuple[bytes, ...]] = []
    for tick in happening:
        others += [Learner(recipe) for recipe in tick.joining]
        for leaving in tick.leaving[: len(others)]:
            others.pop(leaving % len(others))
        for other, plays in zip(others, cycle(tick.playing), strict=False):
            if plays:
                advanced(other)
        if tick.resumes:
            learner = Learner.resume(Checkpoint.from_bytes(learner.checkpoint().to_bytes()))
        made = advanced(learner)
        seen.append(told(made))
        if isinstance(made, Diverged):
            break
    alone = Learner(watched, changes=log)
    assert [told(advanced(alone)) for _ in seen] == seen
    assert alone.checkpoint().to_bytes() == learner.checkpoint().to_bytes()


def test_two_threads_that_learn_at_once_have_a_room_each() -> None:
    seeds = range(1, 7)
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(_losses, seeds))
    assert together == [_losses(seed) for seed in seeds]


def _losses(seed: int) -> list[float]:
    learner = Learner(Recipe(seed=seed, cell="gru", most_streams=4))
    return [learner.advance(ALL_VIEWS).loss for _ in range(40)]


# ---------------------------------------------------------------- what is not finite


def test_one_that_diverges_stands_where_it_stood() -> None:
    learner = Learner(Recipe(optimizer="sgd", learning_rate=1.0, hidden_size=128))
    end: Update | Diverged = learner.advance()
    while not isinstance(end, Diverged):
        end = advanced(learner)
    assert learner.update == end.update - 1 == end.last_good.run.update
    assert learner.checkpoint().to_bytes() == end.last_good.to_bytes()
    assert end.tensor in {"loss", "rnn.weight_ih_l0.grad", "rnn.weight_hh_l0.grad"}


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(
    ("out", "target", "tensor"), [(1.0, 3e19, "loss"), (1e20, 1e19, "rnn.weight_ih_l0.grad")], ids=["loss", "gradient"]
)
def test_what_is_not_finite_is_named_as_the_reference_names_it_and_has_moved_nothing(
    optimizer: str, out: float, target: float, tensor: str
) -> None:
    recipe = Recipe.model_validate({"optimizer": optimizer, "hidden_size": 7})
    network = Network(recipe.cell, 7, torch.Generator().manual_seed(3))
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.fill_(out if name == "out.weight" else 0.0)
    nothing = np.zeros((1, 1), np.float32)
    for program in (CompiledProgram(recipe, network), TorchProgram(recipe, network)):
        before = {name: values.copy() for name, values in program.tensors().items()}
        with pytest.raises(NotFinite) as end:
            program.run(Task(nothing, np.full((1, 1), target, np.float32), None, 1.0, NOTHING))
        assert end.value.tensor == tensor
        assert all(np.array_equal(values, before[name]) for name, values in program.tensors().items())
        assert program.steps == 0
