"""ONNX Runtime says what we say: every cell, any length and batch, and with the state handed on."""

import numpy as np
import onnxruntime
import pytest
import torch

from model.checkpoint import Checkpoint
from model.export.onnx import to_onnx
from model.inference import Weights, predict
from model.learner import Learner
from model.network import Network, state_parts
from model.recipe import Recipe
from model.weights import bundled

LENGTHS = (1, 2, 7, 30, 119)
BATCHES = range(1, 9)
CLOSE = 1e-5
"""They compute in float32, we in float64. Seen: 2.2e-7 with random weights, 3.1e-6 with `sine` over 10,000 samples."""


def checkpoint(cell, hidden_size, seed=1):
    network = Network(cell, hidden_size, torch.Generator().manual_seed(seed))
    return Checkpoint.of_network(Recipe(cell=cell, hidden_size=hidden_size), network)


def session(checkpoint):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(to_onnx(checkpoint), options, providers=["CPUExecutionProvider"])


def zeros(checkpoint, batch):
    recipe = checkpoint.recipe
    return np.zeros((state_parts(recipe.cell), batch, recipe.hidden_size), np.float32)


def sines(batch, length, seed=1):
    draw = np.random.default_rng(seed)
    start, step = draw.uniform(0, 2 * np.pi, (batch, 1)), draw.uniform(np.pi / 40, np.pi / 5, (batch, 1))
    return np.sin(start + step * np.arange(length)).astype(np.float32)


@pytest.mark.parametrize("hidden_size", [1, 7, 32, 50])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_any_length_and_any_batch_give_our_prediction_and_our_state(cell, hidden_size):
    ours = checkpoint(cell, hidden_size)
    weights, theirs = Weights.of(ours.network()), session(ours)
    for batch in BATCHES:
        for length in LENGTHS:
            x = sines(batch, length)
            expected, ends = predict(weights, list(x), [None] * batch)
            prediction, state = theirs.run(None, {"x": x[:, :, None], "state": zeros(ours, batch)})
            assert prediction.shape == (batch, length, 1)
            np.testing.assert_allclose(prediction[:, :, 0], expected, rtol=0, atol=CLOSE)
            np.testing.assert_allclose(state, np.stack(ends, 1), rtol=0, atol=CLOSE)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_ragged_batch_of_ours_is_so_many_calls_of_theirs(cell):
    ours = checkpoint(cell, 32)
    theirs = session(ours)
    sequences = [sines(1, length, seed=length)[0] for length in LENGTHS]
    expected, ends = predict(Weights.of(ours.network()), sequences, [None] * len(sequences))
    for sequence, answer, end in zip(sequences, expected, ends, strict=True):
        prediction, state = theirs.run(None, {"x": sequence[None, :, None], "state": zeros(ours, 1)})
        np.testing.assert_allclose(prediction[0, :, 0], answer, rtol=0, atol=CLOSE)
        np.testing.assert_allclose(state[:, 0], end, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_state_that_is_handed_on_gives_what_one_long_call_gives(cell):
    ours = checkpoint(cell, 7)
    theirs = session(ours)
    x = sines(3, 119)[:, :, None]
    whole, end = theirs.run(None, {"x": x, "state": zeros(ours, 3)})
    first, state = theirs.run(None, {"x": x[:, :41], "state": zeros(ours, 3)})
    second, handed_on = theirs.run(None, {"x": x[:, 41:], "state": state})
    np.testing.assert_allclose(np.concatenate([first, second], 1), whole, rtol=0, atol=1e-6)
    np.testing.assert_allclose(handed_on, end, rtol=0, atol=1e-6)
    expected, _ = predict(Weights.of(ours.network()), list(x[:, 41:, 0]), list(state.transpose(1, 0, 2)))
    np.testing.assert_allclose(second[:, :, 0], expected, rtol=0, atol=CLOSE)


def test_a_float32_network_of_ours_agrees_as_well():
    ours = checkpoint("gru", 32)
    x = sines(4, 30)[:, :, None]
    with torch.no_grad():
        expected, _, end = ours.network()(torch.tensor(x))
    prediction, state = session(ours).run(None, {"x": x, "state": zeros(ours, 4)})
    np.testing.assert_allclose(prediction, expected.numpy(), rtol=0, atol=CLOSE)
    np.testing.assert_allclose(state, end.numpy(), rtol=0, atol=CLOSE)


def test_a_network_that_tensorflow_trained_is_exported_alike():
    learner = Learner(Recipe(framework="tensorflow"))
    for _ in range(5):
        learner.advance()
    ours = learner.checkpoint()
    update = learner.advance()
    given = {"x": update.input[:, :, None], "state": ours.tensors["hidden_state"]}
    prediction, _ = session(ours).run(None, given)
    np.testing.assert_allclose(prediction[:, :, 0], update.prediction, rtol=0, atol=CLOSE)


def test_the_bundled_model_turns_sin_into_cos_there_too():
    ours = Checkpoint.from_bytes(bundled()["sine"])
    theirs = session(ours)
    phase = 0.3 * np.arange(200)
    x = np.sin(phase, dtype=np.float32)
    prediction, _ = theirs.run(None, {"x": x[None, :, None], "state": zeros(ours, 1)})
    (expected,), _ = predict(Weights.of(ours.network()), [x], [None])
    np.testing.assert_allclose(prediction[0, :, 0], expected, rtol=0, atol=CLOSE)
    assert np.mean((prediction[0, 10:, 0] - np.cos(phase[10:])) ** 2) < 1e-5
