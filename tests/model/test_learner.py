"""The Learner: the tutorial exactly, the same numbers each time, and a clear end where training fails."""

import os
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from model.checkpoint import Checkpoint
from model.compiled.program import CompiledProgram
from model.learner import Diverged, Learner, MakeCompiled, Update
from model.network import count_nodes
from model.play import View
from model.recipe import MOST_CHANGES, Cell, Change, Framework, Recipe
from model.torch_program import TorchProgram
from tests.support import tutorial

ALL_VIEWS: frozenset[View] = frozenset(("hidden", "gradient", "after", "graph"))
COMPANY: tuple[tuple[Framework, Cell], ...] = (("torch", "lstm"), ("compiled", "rnn"), ("torch", "rnn"))
EITHER = pytest.mark.parametrize("framework", ["compiled", "torch"])


def told(update: Update) -> dict[str, object]:
    """All of an update but what depends on a clock or was asked for as a view; arrays as bytes."""
    shown = {}
    for field in fields(Update):
        value = getattr(update, field.name)
        shown[field.name] = value.tobytes() if isinstance(value, np.ndarray) else value
    for name in ("milliseconds", "hidden", "gradient", "prediction_after", "nodes"):
        del shown[name]
    return shown


def run(learner: Learner, count: int, views: frozenset[View] = frozenset()) -> list[dict[str, object]]:
    return [told(learner.advance(views)) for _ in range(count)]


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("shape", [{}, {"longest": 1}], ids=["dynamic", "static"])
@pytest.mark.parametrize(
    "compiled",
    [partial(CompiledProgram, dtype=np.float64), partial(TorchProgram, dtype=torch.float64)],
    ids=["compiled", "torch"],
)
def test_the_tutorials_losses_are_reproduced_in_float64_over_60_updates(
    seed: int, shape: dict[str, int], compiled: MakeCompiled
) -> None:
    learner = Learner(Recipe(seed=seed, **shape), compiled=compiled)
    start = Learner(Recipe(seed=seed)).checkpoint().network()
    updates = [learner.advance() for _ in range(60)]
    expected = tutorial.losses(start, [update.length for update in updates], torch.float64)
    np.testing.assert_allclose([update.loss for update in updates], expected, rtol=1e-4)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("shape", [{}, {"longest": 1}], ids=["dynamic", "static"])
@pytest.mark.parametrize("learning_rate", [0.002, 0.02])
@EITHER
def test_the_tutorials_losses_are_reproduced_in_float32_over_10_updates(
    seed: int, shape: dict[str, int], learning_rate: float, framework: Framework
) -> None:
    recipe = Recipe(seed=seed, framework=framework, learning_rate=learning_rate, **shape)
    learner = Learner(recipe)
    start = Learner(recipe).checkpoint().network()
    updates = [learner.advance() for _ in range(10)]
    expected = tutorial.losses(start, [update.length for update in updates], torch.float32, learning_rate)
    np.testing.assert_allclose([update.loss for update in updates], expected, rtol=1e-4)


def test_static_and_dynamic_presets_have_the_tutorials_lengths() -> None:
    static, dynamic = Learner(Recipe(longest=1)), Learner(Recipe())
    assert {static.advance().length for _ in range(60)} == {10}
    assert {dynamic.advance().length for _ in range(60)} == {10, 20, 30}


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@EITHER
def test_the_same_recipe_and_changes_give_the_same_updates(cell: str, optimizer: str, framework: str) -> None:
    fields = {"cell": cell, "optimizer": optimizer, "framework": framework, "most_streams": 3, "noise": 0.05}
    recipe = Recipe.model_validate(fields)
    changes = [Change(after_update=7, learning_rate=0.005), Change(after_update=12, carry_state=False)]
    assert run(Learner(recipe, changes=changes), 25) == run(Learner(recipe, changes=changes), 25)


def test_changes_made_live_and_replayed_give_the_same_updates() -> None:
    live, replayed = Learner(Recipe()), None
    made = run(live, 9)
    live.change({"learning_rate": 0.1})
    made += run(live, 9)
    live.change({"train": False})
    live.change({"carry_state": False})
    made += run(live, 9)
    assert [change.model_dump(exclude_none=True) for change in live.changes] == [
        {"after_update": 9, "learning_rate": 0.1},
        {"after_update": 18, "train": False, "carry_state": False},
    ]
    replayed = Learner(Recipe(), changes=live.changes)
    assert run(replayed, 27) == made


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("streams", [1, 5])
@EITHER
def test_a_checkpoint_in_the_middle_changes_nothing(cell: str, optimizer: str, streams: int, framework: str) -> None:
    fields = {"cell": cell, "optimizer": optimizer, "framework": framework, "most_streams": streams, "noise": 0.1}
    recipe = Recipe.model_validate(fields)
    whole = Learner(recipe, changes=[Change(after_update=14, learning_rate=0.004)])
    expected = run(whole, 30)
    learner = Learner(recipe, changes=[Change(after_update=14, learning_rate=0.004)])
    parts = run(learner, 11)
    for count in (1, 5, 13):
        learner = Learner.resume(Checkpoint.from_bytes(learner.checkpoint().to_bytes()))
        parts += run(learner, count)
    assert parts == expected
    assert learner.checkpoint().to_bytes() == whole.checkpoint().to_bytes()


@EITHER
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_looking_on_changes_nothing(cell: str, framework: str) -> None:
    recipe = Recipe.model_validate({"cell": cell, "framework": framework})
    watched, unwatched = Learner(recipe), Learner(recipe)
    assert run(watched, 20, ALL_VIEWS) == run(unwatched, 20)
    assert watched.checkpoint().to_bytes() == unwatched.checkpoint().to_bytes()


def test_a_run_of_pytorch_is_the_same_bytes_alone_and_in_company_of_any_framework() -> None:
    alone = Learner(Recipe(framework="torch", most_streams=3))
    expected = run(alone, 12)
    watched = Learner(alone.recipe)
    others = [Learner(Recipe(framework=each, seed=seed, cell=cell)) for seed, (each, cell) in enumerate(COMPANY)]
    made = []
    for at in range(12):
        for other in others[: at % 4]:
            other.advance(ALL_VIEWS)
        made += run(watched, 1, ALL_VIEWS if at % 2 else frozenset())
    assert made == expected
    assert watched.checkpoint().to_bytes() == alone.checkpoint().to_bytes()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_run_of_pytorch_has_the_nodes_of_its_own_graph_and_a_compiled_one_has_none(cell: str) -> None:
    recipe = Recipe.model_validate({"framework": "torch", "cell": cell, "train": False})
    learner = Learner(recipe)
    network = learner.checkpoint().network()
    update = learner.advance(frozenset(("graph",)))
    x, y = (torch.tensor(rows).unsqueeze(-1) for rows in (update.input, update.target))
    assert update.nodes == count_nodes(torch.nn.functional.mse_loss(network(x)[0], y))
    assert learner.advance().nodes is None, "it is counted for who asks"
    assert Learner(recipe.model_copy(update={"framework": "compiled"})).advance(ALL_VIEWS).nodes is None


@EITHER
def test_views_show_what_they_say(framework: Framework) -> None:
    learner = Learner(Recipe(most_streams=3, fewest_streams=3, framework=framework))
    update = learner.advance(ALL_VIEWS)
    assert update.hidden is not None
    assert update.gradient is not None
    assert update.prediction_after is not None
    assert update.hidden.shape == (3, update.length, 32)
    assert np.abs(update.hidden).max() <= 1
    assert update.gradient.shape == (3, update.length)
    assert (update.gradient > 0).all()
    after = np.mean((update.prediction_after - update.target) ** 2)
    assert after < update.loss, "one step on a chunk should lower the loss on it"
    assert learner.advance().hidden is None


def test_prediction_is_made_before_the_weights_move() -> None:
    learner = Learner(Recipe())
    start = learner.checkpoint().network()
    update = learner.advance()
    prediction = start(torch.tensor(update.input).unsqueeze(-1))[0].detach().numpy()[..., 0]
    np.testing.assert_allclose(update.prediction, prediction, atol=1e-6)
    assert update.loss == pytest.approx(np.mean((prediction - update.target) ** 2), rel=1e-5)


def test_mean_loss_is_the_running_mean() -> None:
    learner = Learner(Recipe())
    losses = []
    for _ in range(30):
        update = learner.advance()
        losses.append(update.loss)
        assert update.mean_loss == pytest.approx(np.mean(losses), rel=1e-12)


def test_without_training_the_weights_stay() -> None:
    learner = Learner(Recipe(train=False))
    before = learner.program.tensors()
    run(learner, 5)
    after = learner.program.tensors()
    assert all(np.array_equal(before[name], after[name]) for name in before)


@EITHER
def test_a_change_of_learning_rate_keeps_adams_moments(framework: Framework) -> None:
    learner = Learner(Recipe(framework=framework))
    run(learner, 10)
    before = learner.checkpoint().tensors["optimizer.out.weight.exp_avg_sq"]
    learner.change({"learning_rate": 0.001})
    after = learner.checkpoint()
    assert np.array_equal(before, after.tensors["optimizer.out.weight.exp_avg_sq"])
    assert after.run.optimizer_steps == 10


def test_carried_state_matters_and_can_be_switched_off() -> None:
    carried, reset = Learner(Recipe()), Learner(Recipe(carry_state=False))
    first = run(carried, 1), run(reset, 1)
    assert first[0] == first[1]
    assert run(carried, 5) != run(reset, 5)


def test_a_stream_that_joins_starts_from_zero_state() -> None:
    learner = Learner(Recipe(most_streams=4, train=False))
    seen: set[int] = set()
    checked = 0
    for _ in range(30):
        update = learner.advance(frozenset(("hidden",)))
        for row, stream in enumerate(update.stream_ids):
            if stream not in seen and stream:
                x = torch.tensor(update.input[row : row + 1]).unsqueeze(-1)
                alone = learner.checkpoint().network()(x)[0].detach().numpy()[..., 0]
                np.testing.assert_allclose(update.prediction[row], alone[0], atol=1e-6)
                checked += 1
            seen.add(stream)
    assert checked > 5


@pytest.mark.parametrize(
    ("fields", "tensor"),
    [
        ({"optimizer": "sgd", "learning_rate": 1.0}, {"out.weight.grad", "loss"}),
        ({"optimizer": "sgd", "learning_rate": 1.0, "hidden_size": 128}, {"out.weight.grad", "loss"}),
    ],
)
@EITHER
def test_divergence_names_the_first_bad_tensor_and_hands_out_the_last_good_state(
    fields: dict[str, object], tensor: set[str], framework: str
) -> None:
    recipe = Recipe.model_validate(fields | {"framework": framework})
    learner = Learner(recipe)
    made: list[dict[str, object]] = []

    def advance_until_it_diverges() -> None:
        for _ in range(500):
            made.append(told(learner.advance()))

    with pytest.raises(Diverged) as caught:
        advance_until_it_diverges()
    assert caught.value.tensor in tensor
    assert caught.value.update == len(made) + 1
    good = caught.value.last_good
    assert good.run.update == len(made) == learner.update
    again = Learner.resume(Checkpoint.from_bytes(good.to_bytes()))
    for one in (learner, again):
        one.change({"learning_rate": 1e-5})
    assert learner.checkpoint().to_bytes() == again.checkpoint().to_bytes()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_views_stay_finite_until_a_run_diverges(cell: str) -> None:
    fields = {"cell": cell, "optimizer": "sgd", "learning_rate": 1.0, "hidden_size": 128}
    learner = Learner(Recipe.model_validate(fields))

    def advance_until_it_diverges() -> None:
        for _ in range(500):
            update = learner.advance(ALL_VIEWS)
            for shown in (update.hidden, update.gradient, update.prediction, update.prediction_after):
                assert shown is not None
                assert np.isfinite(shown).all()

    with pytest.raises(Diverged):
        advance_until_it_diverges()


@EITHER
def test_a_weight_that_overflows_is_undone(framework: Framework) -> None:
    learner = Learner(Recipe(framework=framework))
    run(learner, 3)
    learner.change({"learning_rate": 1.0})
    moments = learner.checkpoint()
    learner.program.load(
        {
            **moments.tensors,
            "optimizer.out.bias.exp_avg": np.full(1, 3e38, np.float32),
            "optimizer.out.bias.exp_avg_sq": np.zeros(1, np.float32),
        },
        3,
    )
    before = learner.checkpoint().to_bytes()
    with pytest.raises(Diverged) as caught:
        learner.advance()
    assert caught.value.tensor.startswith("out.bias")
    assert learner.checkpoint().to_bytes() == before


def test_a_change_can_wait_for_an_update_that_is_still_to_be_made() -> None:
    waits = Learner(Recipe())
    made = run(waits, 5)
    waits.change({"learning_rate": 0.1}, after=9)
    assert waits.now == Recipe(), "not yet"
    waits.change({"train": False}, after=12)
    waits.change({"carry_state": False})
    waits.change({"train": True}, after=9)
    made += run(waits, 15)
    assert [change.model_dump(exclude_none=True) for change in waits.changes] == [
        {"after_update": 5, "carry_state": False},
        {"after_update": 9, "learning_rate": 0.1, "train": True},
        {"after_update": 12, "train": False},
    ]
    assert run(Learner(Recipe(), changes=waits.changes), 20) == made


def test_a_change_at_an_update_that_has_passed_is_refused_and_nothing_moves() -> None:
    learner = Learner(Recipe())
    run(learner, 5)
    with pytest.raises(ValueError, match="after update 5 or a later one, not 4"):
        learner.change({"learning_rate": 0.1}, after=4)
    assert learner.changes == ()


def test_a_change_out_of_bounds_is_refused_and_nothing_moves() -> None:
    learner = Learner(Recipe())
    with pytest.raises(ValidationError):
        learner.change({"learning_rate": 2.0})
    with pytest.raises(ValidationError):
        learner.change({"seed": 2})
    assert learner.changes == ()
    assert learner.now == Recipe()


def test_a_change_log_out_of_order_or_too_long_is_refused() -> None:
    one, two = Change(after_update=5, train=False), Change(after_update=4, train=True)
    with pytest.raises(ValueError, match="in order"):
        Learner(Recipe(), changes=[one, two])
    with pytest.raises(ValueError, match="at most"):
        Learner(Recipe(), changes=[one] * (MOST_CHANGES + 1))


def test_weights_of_a_model_are_where_a_run_begins() -> None:
    trained = Learner(Recipe(seed=3))
    run(trained, 40)
    model = Checkpoint.of_network(trained.recipe, trained.checkpoint().network())
    learner = Learner(Recipe(weights="abc", train=False), model)
    ours, theirs = learner.program.tensors(), trained.program.tensors()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    with pytest.raises(ValueError, match="without a run"):
        Learner.resume(model)


def test_the_network_learns_cos_from_sin() -> None:
    # At the usual rate training is chaotic after some hundred updates: its end follows the rounding of the processor's
    # BLAS kernel. At this one seeds 1 to 50 come to at most 0.0114 on each of four kernels, equal to four digits.
    learner = Learner(Recipe(learning_rate=0.001))
    losses = [learner.advance().loss for _ in range(200)]
    assert np.mean(losses[:5]) > 0.3
    assert np.mean(losses[-50:]) < 0.02


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_random_shapes_do_not_grow_memory(cell: str) -> None:
    recipe = Recipe.model_validate({"cell": cell, "hidden_size": 16, "most_streams": 8, "longest": 6})
    learner = Learner(recipe)

    def resident_after(updates: int) -> int:
        for _ in range(updates):
            learner.advance()
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    warm = resident_after(100)
    assert resident_after(400) - warm < 8 * 2**20
