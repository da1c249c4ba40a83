"""Where the numbers of a compiled program lie: weights and moments in rows, each tensor padded to whole vectors."""

from functools import cache

import numpy as np
from jaxtyping import Float

from model.network import tensor_shapes
from model.recipe import Cell

VECTOR = 16
"""Sizes are padded to a multiple of so many numbers, with zeros that stay zeros."""

ORDERS: dict[Cell, tuple[int, ...]] = {"rnn": (0,), "gru": (0, 1, 2), "lstm": (0, 1, 3, 2)}
"""Where each gate of a row stands among PyTorch's: those that go through σ side by side (r, z, n and i, f, o, g)."""


class Layout:
    """Where in a row each tensor of a network lies. `size` is the numbers of a row, `padded` the units of a gate."""

    def __init__(self, cell: Cell, hidden_size: int) -> None:
        self._order = ORDERS[cell]
        self.units = hidden_size
        self.padded = -(-hidden_size // VECTOR) * VECTOR
        self.shapes = tensor_shapes(cell, hidden_size)
        gates = len(self._order)
        self._parts: dict[str, tuple[slice, tuple[int, ...]]] = {}
        self.size = 0
        for name, shape in (
            ("rnn.weight_hh_l0", (self.padded, gates, self.padded)),
            ("rnn.weight_ih_l0", (gates, self.padded)),
            ("rnn.bias_ih_l0", (gates, self.padded)),
            ("rnn.bias_hh_l0", (gates, self.padded)),
            ("out.weight", (self.padded,)),
            ("out.bias", (VECTOR,)),
        ):
            self._parts[name] = slice(self.size, self.size + int(np.prod(shape))), shape
            self.size = self._parts[name][0].stop

    def pick(self, row: Float[np.ndarray, " numbers"], name: str) -> Float[np.ndarray, "..."]:
        """A view of one tensor, padded; gates have an axis of their own."""
        part, shape = self._parts[name]
        return row[part].reshape(shape)

    def write(self, row: Float[np.ndarray, " numbers"], name: str, tensor: Float[np.ndarray, "..."]) -> None:
        """Put one of PyTorch's tensors into a row."""
        inside, order = self._inside(row, name), list(self._order)
        if name == "rnn.weight_hh_l0":
            inside[...] = tensor.reshape(-1, self.units, self.units)[order].transpose(2, 0, 1)
        elif name.startswith("rnn"):
            inside[...] = tensor.reshape(-1, self.units)[order]
        else:
            inside[...] = tensor.reshape(-1)

    def read(self, row: Float[np.ndarray, " numbers"], name: str) -> Float[np.ndarray, "..."]:
        """A copy of one of PyTorch's tensors, from a row."""
        inside, order = self._inside(row, name), np.argsort(self._order)
        if name == "rnn.weight_hh_l0":
            inside = inside.transpose(1, 2, 0)[order]
        elif name.startswith("rnn"):
            inside = inside[order]
        return inside.reshape(self.shapes[name]).copy()

    def _inside(self, row: Float[np.ndarray, " numbers"], name: str) -> Float[np.ndarray, "..."]:
        """A view of a tensor without its padding."""
        padded = self.pick(row, name)
        if name == "out.bias":
            return padded[:1]
        inside = padded[..., : self.units]
        return inside[: self.units] if name == "rnn.weight_hh_l0" else inside


@cache
def layout(cell: Cell, hidden_size: int) -> Layout:
    """The layout of an architecture, of which there are a few hundred."""
    return Layout(cell, hidden_size)
