"""The tutorial's second program, in TensorFlow itself, held against PyTorch."""

import numpy as np
import pytest

from model.checkpoint import Checkpoint
from model.learner import Diverged, Learner, Update
from model.program import NotFinite, Task
from model.recipe import Recipe
from model.tensorflow.program import TensorFlowProgram

VIEWS = frozenset({"hidden", "gradient", "after", "graph"})


def run(learner: Learner, updates: int) -> list[Update]:
    return [learner.advance() for _ in range(updates)]


def learner(**fields: object) -> Learner:
    return Learner(Recipe.model_validate({"framework": "tensorflow", **fields}))


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_its_losses_agree_with_pytorch_over_the_first_ten_updates(seed: int, optimizer: str) -> None:
    ours = run(Learner(Recipe.model_validate({"seed": seed, "optimizer": optimizer})), 10)
    theirs = run(learner(seed=seed, optimizer=optimizer), 10)
    assert [update.length for update in theirs] == [update.length for update in ours]
    assert [update.loss for update in theirs] == pytest.approx([update.loss for update in ours], rel=1e-3)


@pytest.mark.parametrize("carry_state", [True, False])
def test_every_view_agrees_with_pytorch_on_the_first_chunk(carry_state: bool) -> None:
    ours = Learner(Recipe(carry_state=carry_state)).advance(VIEWS)
    theirs = learner(carry_state=carry_state).advance(VIEWS)
    for name in ("prediction", "hidden", "gradient", "prediction_after"):
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), rtol=1e-3, atol=2e-5)


def test_its_graph_is_built_once_whatever_the_length() -> None:
    one = learner()
    updates = [one.advance(VIEWS) for _ in range(12)]
    assert len({update.length for update in updates}) > 1
    assert len({update.nodes for update in updates}) == 1


def test_the_same_recipe_gives_the_same_numbers() -> None:
    assert [u.loss for u in run(learner(seed=7), 30)] == [u.loss for u in run(learner(seed=7), 30)]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("rest", [0, 1, 25])
def test_a_resumed_run_is_bit_identical(optimizer: str, rest: int) -> None:
    one = learner(optimizer=optimizer, noise=0.1)
    run(one, rest)
    other = Learner.resume(Checkpoint.from_bytes(one.checkpoint().to_bytes()))
    for straight, resumed in zip(run(one, 20), run(other, 20), strict=True):
        assert resumed.loss == straight.loss
        assert (resumed.prediction == straight.prediction).all()
    assert other.checkpoint().to_bytes() == one.checkpoint().to_bytes()


def test_live_changes_apply_and_a_frozen_network_does_not_move() -> None:
    one = learner()
    run(one, 3)
    one.change({"train": False})
    before = one.checkpoint().tensors["rnn.weight_hh_l0"]
    run(one, 3)
    assert (one.checkpoint().tensors["rnn.weight_hh_l0"] == before).all()
    one.change({"train": True, "learning_rate": 0.5})
    run(one, 1)
    assert np.abs(one.checkpoint().tensors["rnn.weight_hh_l0"] - before).max() > 0.05


def test_a_step_that_is_not_finite_is_undone() -> None:
    one = learner(optimizer="sgd")
    run(one, 3)
    checkpoint = one.checkpoint()
    huge = {**checkpoint.tensors, "out.weight": np.full((1, 32), 3e38, np.float32)}
    broken = Learner.resume(Checkpoint(checkpoint.run, huge))
    before = broken.checkpoint().to_bytes()
    with pytest.raises(Diverged) as caught:
        broken.advance()
    assert caught.value.tensor == "loss"
    assert broken.checkpoint().to_bytes() == before


def test_a_weight_that_overflows_is_named_and_undone() -> None:
    one = learner()
    run(one, 3)
    one.change({"learning_rate": 1.0})
    checkpoint = one.checkpoint()
    moments = {
        "optimizer.out.bias.exp_avg": np.full(1, 3e38, np.float32),
        "optimizer.out.bias.exp_avg_sq": np.zeros(1, np.float32),
    }
    broken = Learner.resume(Checkpoint(checkpoint.run, {**checkpoint.tensors, **moments}))
    before = broken.checkpoint().to_bytes()
    with pytest.raises(Diverged, match=r"out\.bias"):
        broken.advance()
    assert broken.checkpoint().to_bytes() == before


def test_more_than_one_stream_is_refused_by_tensorflow_itself() -> None:
    weights = {
        name: weight.detach().numpy() for name, weight in Learner(Recipe()).checkpoint().network().named_parameters()
    }
    program = TensorFlowProgram(32, "adam", weights)
    rows = np.zeros((2, 10), np.float32)
    with pytest.raises(ValueError, match=r"Cannot feed value of shape \(10, 2\)"):
        program.run(Task(rows, rows, None, 0.02, frozenset()))


def test_a_bad_tensor_name_survives_the_way_between_processes() -> None:
    import pickle

    assert pickle.loads(pickle.dumps(NotFinite("out.bias"))).tensor == "out.bias"
