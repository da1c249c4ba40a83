"""Inference: ragged batches of sequences → predictions and the states to go on from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from model.checkpoint import Checkpoint
from model.network import Network, state_parts

TRAINED_INTERVAL = (np.pi / 40, np.pi / 5)
"""Radians between two samples that a network is taken to know unless its checkpoint says otherwise."""

TRAINED_AMPLITUDE = 1.05
"""A sine's, and a little for rounding and noise."""

LIKENESS = 0.05  # share by which an estimated interval may leave the trained range before it is told


@dataclass(frozen=True)
class Doubt:
    """Why an answer may be poor: which kind of reason, and a sentence with its figures."""

    kind: Literal["amplitude", "interval"]
    text: str


def load(checkpoint: Checkpoint) -> Network:
    """A checkpoint's network, made to predict.

    In float64: a matrix product rounds differently for another number of rows, and a trained network makes up to
    1.4e-6 of that in float32 (seen over 10,000 samples), where whoever asks is promised 1e-6. It costs half as
    much again at 64 rows and nothing at one.
    """
    return checkpoint.network().double().eval().requires_grad_(False)


@torch.inference_mode()
def predict(
    network: Network,
    sequences: Sequence[Float32[ndarray, "_"]],
    states: Sequence[Float[ndarray, "parts hidden"] | None],
) -> tuple[list[Float32[ndarray, "_"]], list[Float[ndarray, "parts hidden"]]]:
    """One forward pass over sequences of any lengths ≥ 1; no state means zeros. States have the network's precision.

    A network with huge weights may give numbers that are not finite: the caller looks.
    """
    dtype = network.out.weight.dtype
    lengths = [len(sequence) for sequence in sequences]
    x = torch.zeros(len(sequences), max(lengths), 1, dtype=dtype)
    start = torch.zeros(state_parts(network.cell), len(sequences), network.hidden_size, dtype=dtype)
    inputs, starts = x.numpy(), start.numpy()
    for row, (sequence, state) in enumerate(zip(sequences, states, strict=True)):
        inputs[row, : len(sequence), 0] = sequence
        if state is not None:
            starts[:, row] = state
    y, end = _forward(network, x, lengths, start)
    rows = y.to(torch.float32).numpy()
    predictions = [rows[row, :length] for row, length in enumerate(lengths)]
    return predictions, list(end.transpose(0, 1).numpy())


def _forward(
    network: Network,
    x: Float[Tensor, "streams time 1"],
    lengths: list[int],
    start: Float[Tensor, "parts streams hidden"],
) -> tuple[Float[Tensor, "streams time"], Float[Tensor, "parts streams hidden"]]:
    """Like the network's own forward, but each stream's state is taken at its own end."""
    if min(lengths) == max(lengths):  # nothing to pack, which is sooner done
        y, _, end = network(x, start)
        return y[:, :, 0], end
    packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    if network.cell == "lstm":
        hidden, (h, c) = network.rnn(packed, (start[0:1], start[1:2]))
        end = torch.cat([h, c])
    else:
        hidden, end = network.rnn(packed, start)
    y = PackedSequence(network.out(hidden.data), hidden.batch_sizes, None, hidden.unsorted_indices)
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
    return padded[:, :, 0], end


def sampling_interval(sequence: Float32[ndarray, "time"]) -> float | None:
    """The radians between two samples of a sine, by least squares; None where too little of it is to be seen.

    Any sine of phase step dt obeys x[t+1] + x[t-1] = 2 cos(dt) x[t] (Prony's method with one pair of poles).
    """
    if len(sequence) < 3:
        return None
    middle = sequence[1:-1]
    energy = float(middle @ middle)
    if energy < 1e-2:  # noise and rounding would decide
        return None
    cosine = float(middle @ (sequence[2:] + sequence[:-2])) / (2 * energy)
    return float(np.arccos(min(1.0, max(-1.0, cosine))))


def doubts(sequence: Float32[ndarray, "time"], trained: tuple[float, float] = TRAINED_INTERVAL) -> list[Doubt]:
    """Why a network that learned sines sampled every `trained` radians may answer this one poorly."""
    found = []
    largest = max(float(sequence.max()), -float(sequence.min()))
    if largest > TRAINED_AMPLITUDE:
        text = f"amplitude {largest:.3g}: the model was trained on sines of amplitude 1"
        found.append(Doubt("amplitude", text))
    interval = sampling_interval(sequence)
    if interval is not None and not trained[0] * (1 - LIKENESS) <= interval <= trained[1] * (1 + LIKENESS):
        range_ = f"{trained[0]:.3g} to {trained[1]:.3g}"
        text = f"about {interval:.3g} radians between samples: the model was trained on {range_}"
        found.append(Doubt("interval", text))
    return found
