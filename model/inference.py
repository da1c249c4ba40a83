"""Inference: ragged batches of sequences → predictions and the states to go on from."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Float64
from numpy import ndarray
from numpy.typing import NDArray

from model.network import Network, state_parts
from model.recipe import Cell

TRAINED_INTERVAL = (np.pi / 40, np.pi / 5)
"""Radians between two samples that a network is taken to know unless its checkpoint says otherwise."""

TRAINED_AMPLITUDE = 1.05
"""The largest amplitude that is taken for a sine's: 1, and a little for rounding and noise."""

LIKENESS = 0.05  # share by which an estimated interval may leave the trained range before it is told


MANY = 300  # numbers

Numbers = NDArray[
    np.float64
]  # (hidden or gates, columns); checking shapes in each time step would take the tests minutes


@dataclass(frozen=True)
class Doubt:
    """Why an answer may be poor: which kind of reason, and a sentence with its figures."""

    kind: Literal["amplitude", "interval"]
    text: str


@dataclass(frozen=True, eq=False)
class Weights:
    """A network's weights, laid out so that one product with [hidden state, sample, 1] does for a time step.

    Its rows give the gates (r, z, n's part from h, n's part from x for gru; i, f, o, g for lstm), and the last one the
    prediction that belongs to that hidden state.

    In float64: a matrix product rounds differently for another number of columns, and a trained network makes up to
    1.4e-6 of that in float32 (seen over 10,000 samples), where whoever asks is promised 1e-6.
    """

    cell: Cell
    hidden_size: int
    rows: Float64[ndarray, "rows inputs"]

    @classmethod
    def of(cls, network: Network) -> "Weights":
        arrays = {name.removesuffix("_l0"): array.astype(np.float64) for name, array in network.arrays().items()}
        from_h, from_x = arrays["rnn.weight_hh"], arrays["rnn.weight_ih"]
        bias_h, bias_x = arrays["rnn.bias_hh"][:, None], arrays["rnn.bias_ih"][:, None]
        gates = np.hstack([from_h, from_x, bias_h + bias_x])
        if network.cell == "gru":  # r multiplies n's part from h alone
            r, z, _ = np.split(gates, 3)
            n = slice(2 * network.hidden_size, None)
            n_from_h = np.hstack([from_h[n], np.zeros_like(from_x[n]), bias_h[n]])
            n_from_x = np.hstack([np.zeros_like(from_h[n]), from_x[n], bias_x[n]])
            gates = np.vstack([r, z, n_from_h, n_from_x])
        elif network.cell == "lstm":
            i, f, g, o = np.split(gates, 4)
            gates = np.vstack([i, f, o, g])
        out = np.hstack([arrays["out.weight"], [[0]], arrays["out.bias"][:, None]])
        return cls(network.cell, network.hidden_size, np.vstack([gates, out]))


def predict(
    weights: Weights,
    sequences: Sequence[Float32[ndarray, "_"]],
    states: Sequence[Float[ndarray, "parts hidden"] | None],
) -> tuple[list[Float32[ndarray, "_"]], list[Float64[ndarray, "parts hidden"]]]:
    """One forward pass over sequences of any lengths ≥ 1; no state means zeros.

    A network with huge weights may give numbers that are not finite: the caller looks.
    """
    order = sorted(range(len(sequences)), key=lambda row: -len(sequences[row]))
    lengths = [len(sequences[row]) for row in order]
    x = np.zeros((lengths[0], len(order)))
    # zeros beyond a sequence's end, since memory as it comes may hold what no cast takes
    y = np.zeros((lengths[0] + 1, len(order)))  # a prediction comes out in the time step after its sample's
    h = np.zeros((weights.hidden_size + 2, len(order)))  # and below it the sample and 1
    h[-1] = 1
    c = np.zeros((weights.hidden_size, len(order)))  # lstm's
    for column, row in enumerate(order):
        x[: lengths[column], column] = sequences[row]
        if (state := states[row]) is not None:
            h[:-2, column] = state[0]
            c[:, column] = state[-1]
    with np.errstate(over="ignore"):
        for first, last, going in _stretches(lengths):
            _unroll(weights, x[first:last, :going], y[first:last, :going], h[:, :going], c[:, :going])
        last = weights.rows[-1].dot(h)
        for column, length in enumerate(lengths):
            y[length, column] = last[column]
        predicted = y.T.astype(np.float32, order="C")
    ended = np.empty((len(order), state_parts(weights.cell), weights.hidden_size))
    ended[:, -1], ended[:, 0] = c.T, h[:-2].T  # lstm has both
    predictions, ends = [predicted[0]] * len(order), [ended[0]] * len(order)
    for column, row in enumerate(order):
        predictions[row] = predicted[column, 1 : lengths[column] + 1]
        ends[row] = ended[column]
    return predictions, ends


def _stretches(lengths: list[int]) -> Iterator[tuple[int, int, int]]:
    """Cut a ragged batch, longest first, into stretches of time and how many sequences go on through each."""
    first = 0
    for going in range(len(lengths), 0, -1):
        if (last := lengths[going - 1]) > first:
            yield first, last, going
            first = last


def _unroll(
    weights: Weights,
    x: Float64[ndarray, "time columns"],
    y: Float64[ndarray, "time columns"],
    h: Float64[ndarray, "inputs columns"],
    c: Float64[ndarray, "hidden columns"],
) -> None:
    """Take `h` and `c` on over `x`; `y` gets the predictions for the samples before each."""
    products = np.empty((len(weights.rows), h.shape[1]))
    gates, out = products[:-1], products[-1]
    hidden, sample = h[:-2], h[-2]
    step = _STEPS[weights.cell]
    for x_t, y_t in zip(x, y, strict=True):
        sample[:] = x_t
        weights.rows.dot(h, products)  # a tenth of the fixed cost of np.matmul
        y_t[:] = out
        step(gates, hidden, c)


def _rnn(gates: Numbers, h: Numbers, c: Numbers) -> None:
    _tanh(gates, h)


def _gru(gates: Numbers, h: Numbers, c: Numbers) -> None:
    r, z, n_from_h, n = gates.reshape(4, *h.shape)
    _sigmoid(gates[: 2 * len(h)])
    n_from_h *= r
    n += n_from_h
    _tanh(n, n)
    h -= n  # (1 - z) n + z h = z (h - n) + n
    h *= z
    h += n


def _lstm(gates: Numbers, h: Numbers, c: Numbers) -> None:
    i, f, o, g = gates.reshape(4, *h.shape)
    _sigmoid(gates[: 3 * len(h)])
    _tanh(g, g)
    g *= i
    c *= f
    c += g
    _tanh(c, h)
    h *= o


_STEPS = {"rnn": _rnn, "gru": _gru, "lstm": _lstm}


def _tanh(x: Numbers, out: Numbers) -> None:
    """tanh into `out`. NumPy's own takes 15 ns a number in float64; for many its exp, 6 ns, is the shorter way."""
    if x.size < MANY:
        np.tanh(x, out=out)
        return
    np.multiply(x, -2, out=out)
    np.exp(out, out=out)
    out += 1
    np.divide(2, out, out=out)
    out -= 1


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
    return math.acos(min(1.0, max(-1.0, cosine)))


def doubts(sequence: Float32[ndarray, "time"], trained: tuple[float, float] = TRAINED_INTERVAL) -> list[Doubt]:
    """Why a network that learned sines sampled every `trained` radians may answer this one poorly."""
    found = []
    magnitudes = np.abs(sequence)
    largest = float(magnitudes[magnitudes.argmax()])  # sooner found than by max()
    if largest > TRAINED_AMPLITUDE:
        text = f"amplitude {largest:.3g}: the model was trained on sines of amplitude 1"
        found.append(Doubt("amplitude", text))
    interval = sampling_interval(sequence)
    if interval is not None and not trained[0] * (1 - LIKENESS) <= interval <= trained[1] * (1 + LIKENESS):
        range_ = f"{trained[0]:.3g} to {trained[1]:.3g}"
        text = f"about {interval:.3g} radians between samples: the model was trained on {range_}"
        found.append(Doubt("interval", text))
    return found


def _sigmoid(values: Float64[ndarray, "..."]) -> None:
    """The logistic function 1 / (1 + exp(-x)), in place."""
    np.negative(values, out=values)
    np.exp(values, out=values)
    values += 1
    np.reciprocal(values, out=values)
