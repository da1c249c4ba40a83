"""Inference: company and cuts change nothing, and unlikely inputs are told."""

import numpy as np
import pytest
import torch

from model.checkpoint import Checkpoint
from model.inference import Weights, doubts, predict, sampling_interval
from model.network import Network
from model.weights import bundled

CELLS = ["rnn", "gru", "lstm"]


def make_network(cell, hidden_size=32):
    return Network(cell, hidden_size, torch.Generator().manual_seed(1)).requires_grad_(False)


def make_weights(cell):
    return Weights.of(make_network(cell))


def sine(length, interval=0.3, phase=0.0):
    return np.sin(phase + interval * np.arange(length)).astype(np.float32)


@pytest.mark.parametrize("hidden_size", [1, 7, 32, 128])
@pytest.mark.parametrize("cell", CELLS)
def test_a_ragged_batch_is_answered_as_the_reference_network_answers_each(cell, hidden_size):
    network = make_network(cell, hidden_size).double()
    random = np.random.default_rng(1)
    lengths = [1, 2, 2, 50, 300, *random.integers(1, 100, 10)]
    sequences = [sine(int(length), 0.2, phase) for phase, length in enumerate(lengths)]
    parts = 2 if cell == "lstm" else 1
    states = [random.uniform(-1, 1, (parts, hidden_size)) if row % 3 else None for row in range(len(lengths))]
    predictions, ends = predict(Weights.of(network), sequences, states)
    for sequence, state, prediction, end in zip(sequences, states, predictions, ends, strict=True):
        x = torch.from_numpy(sequence).double()[None, :, None]
        expected, _, after = network(x, None if state is None else torch.from_numpy(state)[:, None])
        assert prediction.dtype == np.float32
        np.testing.assert_allclose(prediction, expected[0, :, 0].numpy(), atol=1e-7, rtol=1e-7)
        np.testing.assert_allclose(end, after[:, 0].numpy(), atol=1e-13, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_weights_beyond_all_measure_warn_of_nothing(cell):
    network = make_network(cell)
    for weight in network.parameters():
        weight.mul_(1e38)
    (prediction,), (end,) = predict(Weights.of(network), [sine(50)], [None])
    assert len(prediction) == 50
    assert np.isfinite(end).all()


def test_memory_as_it_comes_warns_of_nothing(monkeypatch):
    signalling = np.array(0x7FF0000000000001).view(np.float64)
    monkeypatch.setattr(np, "empty", lambda shape: np.full(shape, signalling))
    assert [len(prediction) for prediction in predict(make_weights("rnn"), [sine(5), sine(2)], [None] * 2)[0]] == [5, 2]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("cuts", [[1], [7, 8], [100, 250, 299], list(range(1, 300))])
def test_a_sequence_cut_anywhere_is_the_sequence_whole(cell, cuts):
    weights = make_weights(cell)
    x = sine(300)
    (whole,), (whole_end,) = predict(weights, [x], [None])
    state, pieces = None, []
    for piece in np.split(x, cuts):
        (prediction,), (state,) = predict(weights, [piece], [state])
        pieces.append(prediction)
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-6, rtol=0)
    np.testing.assert_allclose(state, whole_end, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_a_ragged_batch_is_each_of_its_sequences_alone(cell):
    weights = make_weights(cell)
    random = np.random.default_rng(1)
    sequences = [sine(int(length), 0.2, phase) for phase, length in enumerate(random.integers(1, 400, 20))]
    _, starts = predict(weights, [sine(9, 0.5, phase) for phase in range(20)], [None] * 20)
    states = [start if row % 3 else None for row, start in enumerate(starts)]
    predictions, ends = predict(weights, sequences, states)
    for sequence, state, prediction, end in zip(sequences, states, predictions, ends, strict=True):
        (alone,), (alone_end,) = predict(weights, [sequence], [state])
        assert len(prediction) == len(sequence)
        np.testing.assert_allclose(prediction, alone, atol=1e-6, rtol=0)
        np.testing.assert_allclose(end, alone_end, atol=1e-6, rtol=0)


@pytest.mark.parametrize("interval", [np.pi / 40, 0.3, np.pi / 5])
def test_the_shipped_model_agrees_with_itself_over_the_longest_sequence(interval):
    weights = Weights.of(Checkpoint.from_bytes(bundled()["sine"]).network())
    x = sine(10_000, interval)
    (whole,), _ = predict(weights, [x], [None])
    company = [sine(n, interval, n) for n in (3, 500, 9_999)]
    together, _ = predict(weights, [*company, x], [None] * 4)
    np.testing.assert_allclose(together[-1], whole, atol=1e-6, rtol=0)
    state, pieces = None, []
    for piece in np.split(x, [1, 2, 3000, 3001, 9_000]):
        predictions, states = predict(weights, [*company, piece], [None, None, None, state])
        pieces.append(predictions[-1])
        state = states[-1]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("interval", [0.08, 0.2, 0.349, 0.62, 1.5])
@pytest.mark.parametrize("phase", [0.0, 1.0, 2.5])
def test_the_interval_of_a_sine_is_found(interval, phase):
    assert sampling_interval(sine(40, interval, phase)) == pytest.approx(interval, rel=1e-2)


@pytest.mark.parametrize("x", [sine(2), np.zeros(30, np.float32), np.full(30, 1e-3, np.float32)])
def test_no_interval_is_claimed_where_nothing_is_to_be_seen(x):
    assert sampling_interval(x) is None
    assert doubts(x) == []


def test_the_tutorials_own_signal_raises_no_doubt():
    pieces = [np.sin(np.linspace(a * np.pi, b * np.pi, 10 * (b - a))) for a, b in [(0, 3), (3, 4), (4, 6)]]
    assert doubts(np.concatenate(pieces).astype(np.float32)) == []
    for piece in pieces:
        assert doubts(piece.astype(np.float32)) == []


@pytest.mark.parametrize("interval", [np.pi / 40, 0.1, 0.3, np.pi / 5])
def test_samples_rounded_to_three_decimals_raise_no_doubt(interval):
    for phase in (0.0, 0.7, 1.6):
        assert doubts(np.round(sine(30, interval, phase), 3)) == []


def test_amplitude_and_interval_unlike_training_are_told():
    (amplitude,) = doubts(2 * sine(30))
    assert amplitude.kind == "amplitude"
    assert "amplitude 2" in amplitude.text
    (interval,) = doubts(sine(30, 1.2))
    assert interval.kind == "interval"
    assert "1.2 radians" in interval.text
    assert doubts(np.full(30, 0.5, np.float32)) != []  # no sine at all: an interval of 0
    assert doubts(sine(30, 1.2), (1.0, 1.5)) == []
