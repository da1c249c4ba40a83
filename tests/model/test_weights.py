"""The pretrained model that ships: its architecture, its quality, and that the noted figures are its own."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import model.weights
from model.checkpoint import Checkpoint
from model.network import Network
from model.weights import bundled
from model.weights.gauss_newton import free_weights, jacobian, merge_biases
from model.weights.quality import SEEN, Quality, measure, uniform_streams
from model.weights.streams import WINDOW, Streams

# Bounds somewhat looser than what was measured (sine.json), and far below the first figures that the issue
# names: 2.4e-5 in the mean and 2.3e-4 for the worst of 2,000 evenly sampled streams, 2.8e-5 on the tutorial's.
UNIFORM = 1e-6
WORST = 2e-4
TUTORIAL = 3e-7


@pytest.fixture(scope="module")
def sine() -> Checkpoint:
    return Checkpoint.from_bytes(bundled()["sine"])


@pytest.fixture(scope="module")
def quality(sine: Checkpoint) -> Quality:
    return measure(sine.network(), seed=4711)  # not a seed of the training, nor of the noted figures


@pytest.fixture(scope="module")
def noted() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(model.weights.__file__).parent / "sine.json").read_text())
    return found


def test_it_has_the_tutorials_architecture(sine: Checkpoint) -> None:
    assert (sine.recipe.cell, sine.recipe.hidden_size) == ("rnn", 32)
    assert sorted(sine.tensors) == [
        "out.bias",
        "out.weight",
        "rnn.bias_hh_l0",
        "rnn.bias_ih_l0",
        "rnn.weight_hh_l0",
        "rnn.weight_ih_l0",
    ]
    assert sine.network().parameter_count() == 1153


def test_it_says_which_sampling_intervals_it_knows(sine: Checkpoint) -> None:
    assert sine.run.interval is not None
    shortest, longest = sine.run.interval
    assert shortest < np.pi / 40
    assert longest > np.pi / 5


def test_it_answers_evenly_sampled_sines_of_any_interval(quality: Quality) -> None:
    assert quality.uniform < UNIFORM
    assert quality.worst_stream < WORST


def test_it_answers_the_tutorials_own_stream_through_its_repeated_samples(quality: Quality) -> None:
    assert quality.tutorial < TUTORIAL


def test_its_error_falls_with_every_sample_seen_until_the_phase_is_known(quality: Quality) -> None:
    curve = [quality.curve[seen] for seen in SEEN]
    assert curve[0] > 0.5 * 0.95  # one sample leaves the sign of cos open: nobody's mean squared error is below 1/2
    falling = curve[: SEEN.index(20) + 1]
    assert all(later < 0.95 * earlier for earlier, later in pairwise(falling))
    settled = curve[SEEN.index(20) :]
    assert max(settled) < 5 * UNIFORM


def test_its_error_does_not_grow_over_ten_thousand_samples(sine: Checkpoint) -> None:
    phase = uniform_streams(5, 20)
    start, interval = phase[:, :1], phase[:, 1:2] - phase[:, :1]
    phase = start + interval * np.arange(10_000)
    x = torch.from_numpy(np.sin(phase).astype(np.float32))[:, :, None]
    with torch.inference_mode():
        prediction = sine.network()(x)[0][:, :, 0].numpy()
    assert np.square(prediction - np.cos(phase))[:, -1000:].mean() < 2 * UNIFORM


def test_the_noted_figures_are_the_shipped_files_own(sine: Checkpoint, noted: dict[str, Any]) -> None:
    again = measure(sine.network(), noted["seed"])._asdict()
    curve = again.pop("curve")
    was = dict(noted["quality"])
    assert {int(seen): error for seen, error in was.pop("curve").items()} == pytest.approx(curve, rel=0.02)
    assert was == pytest.approx(again, rel=0.02)


def test_the_noted_figures_are_typical(quality: Quality, noted: dict[str, Any]) -> None:
    assert quality.uniform == pytest.approx(noted["quality"]["uniform"], rel=0.5)
    assert quality.tutorial == pytest.approx(noted["quality"]["tutorial"], rel=0.5)


def test_streams_for_learning_are_decided_by_their_seed() -> None:
    one, other = Streams(16, 4, seed=3), Streams(16, 4, seed=3)
    for _ in range(10):
        first, second = one.next(), other.next()
        assert torch.equal(first.x, second.x)
        assert torch.equal(first.weight, second.weight)
    assert not torch.equal(first.x, Streams(16, 4, seed=4).next().x)


def test_a_window_of_learning_holds_every_age_and_pairs_sin_with_cos() -> None:
    streams = Streams(16, 4, seed=3)
    for _ in range(8):
        window = streams.next()
    assert window.x.shape == (16, WINDOW, 1)
    torch.testing.assert_close(window.x**2 + window.target**2, torch.ones(16, WINDOW, 1))
    fresh = (window.weight[:, 0, 0] < 1).tolist()
    assert fresh == [False] * 14 + [True] * 2


def test_the_forward_jacobian_agrees_with_backpropagation() -> None:
    network = Network("rnn", 6, torch.Generator().manual_seed(1)).double()
    merge_biases(network)
    x = torch.linspace(-1, 1, 21, dtype=torch.float64).view(3, 7, 1)
    state = torch.linspace(-1, 1, 18, dtype=torch.float64).view(3, 6)
    rows = jacobian(network, x, state)
    prediction, _, _ = network(x, state[None])
    for stream, time_step in [(0, 0), (1, 3), (2, 6)]:
        gradient = torch.autograd.grad(
            prediction[stream, time_step, 0], free_weights(network), retain_graph=True, materialize_grads=True
        )
        expected = torch.cat([part.flatten() for part in gradient])
        torch.testing.assert_close(rows[stream, time_step], expected)
