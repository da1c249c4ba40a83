"""Program: what learns from a chunk: PyTorch's or TensorFlow's, as the tutorial has them, or a compiled one."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from model.checkpoint import Tensors
from model.play import View

StateArray = Float[np.ndarray, "parts streams hidden"]
"""A hidden state outside of any framework."""


class NotFinite(ArithmeticError):
    """A loss, gradient or weight would not be finite; the program stands where it stood before the chunk.

    `tensor` is the first bad one's name.
    """

    def __init__(self, tensor: str) -> None:
        super().__init__(tensor)  # one argument, so that it survives being pickled
        self.tensor = tensor


@dataclass  # not frozen: that takes twice as long to make
class Task:
    """One chunk to be predicted from `state`, zeros if None, and to be learned from where there is a learning rate."""

    input: Float32[np.ndarray, "streams time"]
    target: Float32[np.ndarray, "streams time"]
    state: StateArray | None
    learning_rate: float | None
    views: AbstractSet[View]


@dataclass
class Outcome:
    """The result of one chunk.

    `carried` is the state after the last time step, cut off from its graph. `milliseconds` is what each part took:
    `forward`, `backward` and `optimizer`, or `run` where they are one call. The rest answers the views; `nodes` is None
    where there is no graph to count.
    """

    prediction: Float32[np.ndarray, "streams time"]
    loss: float
    carried: StateArray
    milliseconds: dict[str, float]
    hidden: Float32[np.ndarray, "streams time hidden"] | None = None
    gradient: Float32[np.ndarray, "streams time"] | None = None
    prediction_after: Float32[np.ndarray, "streams time"] | None = None
    nodes: int | None = None


def finite(rows: Float[np.ndarray, "streams time"]) -> Float32[np.ndarray, "streams time"]:
    """Numbers in float32, no larger than float32 can say: right before a divergence a view may overflow."""
    most = float(np.finfo(np.float32).max)
    return np.ascontiguousarray(np.clip(np.nan_to_num(rows, nan=most), -most, most), np.float32)


@runtime_checkable
class Program(Protocol):
    """A network and its optimiser in one framework.

    `text` is what printing the network shows; `steps` counts the optimiser's steps, which may be fewer than chunks.
    """

    text: str
    parameters: int
    versions: dict[str, str]

    @property
    def steps(self) -> int: ...

    def run(self, task: Task) -> Outcome:
        """Predict a chunk and learn from it. Raises NotFinite; then nothing has moved."""

    def tensors(self) -> Tensors:
        """Copies of weights and optimiser moments, by the names that a checkpoint gives them."""

    def load(self, tensors: Tensors, steps: int) -> None:
        """Take over a checkpoint's moments after so many steps; the weights are there from the start."""
