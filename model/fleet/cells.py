"""The three cells for many learners at once: every time step, forwards and backwards, as products and ufuncs of numpy.

Arrays hold time steps first, then learners, longest chunk first: at time step `t` only the first `active[t]` take part.
Each operation works learner by learner or number by number, so nobody's numbers depend on the company.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from model.recipe import Cell

Steps = Float[np.ndarray, "time learners streams units"]
Gates = Float[np.ndarray, "time learners streams rows"]
Inputs = Float[np.ndarray, "time learners streams"]


@dataclass(frozen=True)
class Weights:
    """Some learners' weights: the recurrent layer's, transposed and with gates in the cell's order, and the head's."""

    hidden: Float[np.ndarray, "learners units rows"]
    input: Float[np.ndarray, "learners rows"]
    input_bias: Float[np.ndarray, "learners rows"]
    hidden_bias: Float[np.ndarray, "learners rows"]
    out: Float[np.ndarray, "learners units"]
    out_bias: Float[np.ndarray, "learners"]


@dataclass(frozen=True)
class Tape:
    """A forward pass as the backward pass needs it. `states` begin with the one before the first time step.

    `carried` are all parts of the state: h, and c where the cell has one.
    """

    carried: tuple[Float[np.ndarray, "times learners streams units"], ...]
    gates: Gates | None = None
    inner: Steps | None = None

    @property
    def states(self) -> Float[np.ndarray, "times learners streams units"]:
        return self.carried[0]


class CellMaths(Protocol):
    """One cell's arithmetic.

    `order` says where each of PyTorch's gates stands in a row of ours.
    """

    order: tuple[int, ...]
    parts: int

    def forward(
        self,
        weights: Weights,
        x: Inputs,
        start: Float[np.ndarray, "parts learners streams units"],
        active: Sequence[int],
    ) -> Tape: ...

    def backward(self, weights: Weights, tape: Tape, gradient: Steps, active: Sequence[int]) -> tuple[Gates, Gates]:
        """The gradients of what each gate's two products come to: of the input's, and of the hidden state's.

        `gradient` is the loss's by each hidden state through the head, and becomes the total one, through all later
        time steps too.
        """


class TanhCell:
    """h' = tanh(W x + U h + b)."""

    order: tuple[int, ...] = (0,)
    parts = 1

    def forward(
        self,
        weights: Weights,
        x: Inputs,
        start: Float[np.ndarray, "parts learners streams units"],
        active: Sequence[int],
    ) -> Tape:
        states = _room(x, weights, more=1)
        states[0] = start[0]
        driven = _driven(x, weights, weights.input_bias + weights.hidden_bias)
        for t, count in enumerate(active):
            now = states[t + 1, :count]
            np.matmul(states[t, :count], weights.hidden[:count], out=now)
            now += driven[t, :count]
            np.tanh(now, out=now)
        return Tape((states,))

    def backward(self, weights: Weights, tape: Tape, gradient: Steps, active: Sequence[int]) -> tuple[Gates, Gates]:
        slope = 1 - np.square(tape.states[1:])
        delta = np.empty_like(gradient)
        back = weights.hidden.transpose(0, 2, 1)
        behind = np.empty_like(gradient[0])
        for t, count, later in _backwards(active):
            total = gradient[t, :count]
            if later:
                total[:later] += np.matmul(delta[t + 1, :later], back[:later], out=behind[:later])
            np.multiply(total, slope[t, :count], out=delta[t, :count])
        return delta, delta


class GRUCell:
    """PyTorch's: r, z = σ(…), n = tanh(W x + b + r (U h + c)), h' = n + z (h - n)."""

    order: tuple[int, ...] = (0, 1, 2)
    parts = 1

    def forward(
        self,
        weights: Weights,
        x: Inputs,
        start: Float[np.ndarray, "parts learners streams units"],
        active: Sequence[int],
    ) -> Tape:
        units = weights.out.shape[1]
        states = _room(x, weights, more=1)
        states[0] = start[0]
        bias = weights.input_bias.copy()
        bias[:, : 2 * units] += weights.hidden_bias[:, : 2 * units]
        gates = _driven(x, weights, bias)
        inner = _room(x, weights)
        inner_bias = weights.hidden_bias[:, None, 2 * units :]
        product = np.empty_like(gates[0])
        for t, count in enumerate(active):
            before, now = states[t, :count], states[t + 1, :count]
            products = np.matmul(before, weights.hidden[:count], out=product[:count])
            switches = gates[t, :count, :, : 2 * units]
            switches += products[:, :, : 2 * units]
            sigmoid(switches)
            inside = np.add(products[:, :, 2 * units :], inner_bias[:count], out=inner[t, :count])
            new = gates[t, :count, :, 2 * units :]
            new += np.multiply(switches[:, :, :units], inside, out=now)
            np.tanh(new, out=new)
            np.subtract(before, new, out=now)
            now *= switches[:, :, units:]
            now += new
        return Tape((states,), gates, inner)

    def backward(self, weights: Weights, tape: Tape, gradient: Steps, active: Sequence[int]) -> tuple[Gates, Gates]:
        assert tape.gates is not None
        reset, update, new = _split(tape.gates, 3)
        to_new = (1 - update) * (1 - np.square(new))
        slopes = np.empty_like(tape.gates)
        to_reset, to_update, to_inner = _split(slopes, 3)
        np.multiply(to_new * tape.inner, reset * (1 - reset), out=to_reset)
        np.multiply(tape.states[:-1] - new, update * (1 - update), out=to_update)
        np.multiply(to_new, reset, out=to_inner)
        delta = np.empty_like(slopes)
        by_gate, slopes_by_gate = _by_gate(delta, 3), _by_gate(slopes, 3)
        back = weights.hidden.transpose(0, 2, 1)
        behind = np.empty_like(gradient[0])
        for t, count, later in _backwards(active):
            total = gradient[t, :count]
            if later:
                total[:later] += np.matmul(delta[t + 1, :later], back[:later], out=behind[:later])
                total[:later] += np.multiply(gradient[t + 1, :later], update[t + 1, :later], out=behind[:later])
            np.multiply(total[:, :, None], slopes_by_gate[t, :count], out=by_gate[t, :count])
        of_input = delta.copy()
        np.multiply(gradient, to_new, out=_split(of_input, 3)[2])
        return of_input, delta


class LSTMCell:
    """PyTorch's: i, f, o = σ(…), g = tanh(…), c' = f c + i g, h' = o tanh(c')."""

    order: tuple[int, ...] = (0, 1, 3, 2)  # i, f, o, g: what goes through σ side by side
    parts = 2

    def forward(
        self,
        weights: Weights,
        x: Inputs,
        start: Float[np.ndarray, "parts learners streams units"],
        active: Sequence[int],
    ) -> Tape:
        units = weights.out.shape[1]
        states, cells = _room(x, weights, more=1), _room(x, weights, more=1)
        states[0], cells[0] = start
        gates = _driven(x, weights, weights.input_bias + weights.hidden_bias)
        squashed = _room(x, weights)
        product = np.empty_like(gates[0])
        for t, count in enumerate(active):
            all_ = gates[t, :count]
            all_ += np.matmul(states[t, :count], weights.hidden[:count], out=product[:count])
            sigmoid(all_[:, :, : 3 * units])
            into, forget, out, new = _split(all_, 4)
            np.tanh(new, out=new)
            cell, now = cells[t + 1, :count], states[t + 1, :count]
            np.multiply(forget, cells[t, :count], out=cell)
            cell += np.multiply(into, new, out=now)
            seen = np.tanh(cell, out=squashed[t, :count])
            np.multiply(out, seen, out=now)
        return Tape((states, cells), gates, squashed)

    def backward(self, weights: Weights, tape: Tape, gradient: Steps, active: Sequence[int]) -> tuple[Gates, Gates]:
        assert tape.gates is not None
        assert tape.inner is not None
        into, forget, out, new = _split(tape.gates, 4)
        squashed = tape.inner
        to_cell = out * (1 - np.square(squashed))
        slopes = np.empty_like(tape.gates)
        to_into, to_forget, to_out, to_new = _split(slopes, 4)
        np.multiply(new, into * (1 - into), out=to_into)
        np.multiply(tape.carried[1][:-1], forget * (1 - forget), out=to_forget)
        np.multiply(squashed, out * (1 - out), out=to_out)
        np.multiply(into, 1 - np.square(new), out=to_new)
        delta = np.empty_like(slopes)
        by_gate, slopes_by_gate = _by_gate(delta, 4), _by_gate(slopes, 4)
        back = weights.hidden.transpose(0, 2, 1)
        behind = np.empty_like(gradient[0])
        of_cell = np.zeros_like(gradient[0])
        for t, count, later in _backwards(active):
            total, cell = gradient[t, :count], of_cell[:count]
            if later:
                total[:later] += np.matmul(delta[t + 1, :later], back[:later], out=behind[:later])
            cell += np.multiply(total, to_cell[t, :count], out=behind[:count])
            np.multiply(cell[:, :, None], slopes_by_gate[t, :count], out=by_gate[t, :count])
            np.multiply(total, to_out[t, :count], out=by_gate[t, :count, :, 2])
            cell *= forget[t, :count]
        return delta, delta


CELLS: dict[Cell, CellMaths] = {"rnn": TanhCell(), "gru": GRUCell(), "lstm": LSTMCell()}


def _room(x: Inputs, weights: Weights, more: int = 0) -> Float[np.ndarray, "times learners streams units"]:
    """Room for a hidden state a time step, and `more`. What lies behind a shorter chunk's end is never looked at."""
    return np.empty((len(x) + more, *x.shape[1:], weights.out.shape[1]), x.dtype)


def _backwards(active: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Each time step, from the last; how many take part in it, and how many of them in the one after it."""
    yield from zip(range(len(active) - 1, -1, -1), reversed(active), (0, *reversed(active)), strict=False)


def _driven(x: Inputs, weights: Weights, bias: Float[np.ndarray, "learners rows"]) -> Gates:
    """The part of each gate that input and biases make, for all time steps at once."""
    driven: Gates = x[..., None] * weights.input[:, None]
    driven += bias[:, None]
    return driven


def sigmoid(values: Any) -> None:
    """The logistic function 1 / (1 + exp(-x)), in place."""
    np.negative(values, out=values)
    np.exp(values, out=values)
    values += 1
    np.reciprocal(values, out=values)


def _split(gates: Any, count: int) -> list[Any]:
    """A view of each gate."""
    units = gates.shape[-1] // count
    return [gates[..., at * units : (at + 1) * units] for at in range(count)]


def _by_gate(gates: Any, count: int) -> Any:
    """A view with an axis for the gates before that for the units."""
    return gates.reshape(*gates.shape[:-1], count, -1)
