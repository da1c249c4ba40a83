"""Optimizer: PyTorch's Adam or SGD, with a step that can be undone and moments that travel in a checkpoint."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from model.checkpoint import Tensors
from model.recipe import Recipe

MOMENTS = ("exp_avg", "exp_avg_sq")


class Optimizer:
    """Moves a network's weights, or leaves them where they were if the result would not be finite.

    `steps` counts the steps made; `milliseconds` is what the last one took.
    """

    def __init__(self, recipe: Recipe, weights: Mapping[str, nn.Parameter]) -> None:
        kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.SGD
        self._inner = kind(weights.values(), lr=recipe.learning_rate, fused=True)
        self._weights = weights
        self._before: list[Tensor] = []
        self.steps = 0
        self.milliseconds = 0.0

    def set_learning_rate(self, learning_rate: float) -> None:
        # the optimiser stays: a new one would forget Adam's moments
        for group in self._inner.param_groups:
            group["lr"] = learning_rate

    def zero_grad(self) -> None:
        self._inner.zero_grad()

    def step(self) -> str | None:
        """Move the weights by their gradients.

        Returns:
            None, or the name of the first gradient or weight that is not finite (or whose square, which Adam
            keeps, is not): then nothing has moved.
        """
        learned = self._learned()
        if len(self._before) != len(learned):  # moments are made in the first step
            self._before = [torch.empty_like(tensor) for tensor in learned]
        with torch.no_grad():
            torch._foreach_copy_(self._before, learned)
        began = perf_counter()
        self._inner.step()
        self.milliseconds = 1e3 * (perf_counter() - began)
        if bad := self._first_not_finite():
            with torch.no_grad():
                torch._foreach_copy_(learned, self._before)
            if self.steps == 0:
                self._inner.state.clear()
            return bad
        self.steps += 1
        return None

    def _learned(self) -> list[Tensor]:
        """Every tensor that a step moves."""
        moments = [value for state in self._inner.state.values() for value in state.values()]
        return [*self._weights.values(), *moments]

    def _first_not_finite(self) -> str | None:
        # one sum tells in the common case; it also overflows for numbers that are merely large, so then look
        norms: Any = torch._foreach_norm([tensor.detach() for tensor in self._learned()])
        if np.isfinite(sum(norm.item() for norm in norms)):
            return None
        for name, weight in self._weights.items():
            moments = self._inner.state.get(weight, {}).values()
            if not all(torch.isfinite(tensor).all() for tensor in (weight.grad, *moments) if tensor is not None):
                return f"{name}.grad"
        return next((name for name, weight in self._weights.items() if not torch.isfinite(weight).all()), None)

    def tensors(self) -> Tensors:
        """Copies of the moments, by the names that a checkpoint gives them."""
        return {
            f"optimizer.{name}.{moment}": self._inner.state[weight][moment].numpy().copy()
            for name, weight in self._weights.items()
            for moment in MOMENTS
            if weight in self._inner.state and moment in self._inner.state[weight]
        }

    def load(self, tensors: Tensors, steps: int) -> None:
        """Go on with a checkpoint's moments after so many steps."""
        self.steps = steps
        self._before = []
        for name, weight in self._weights.items():
            if f"optimizer.{name}.exp_avg" in tensors:
                moments = {moment: torch.tensor(tensors[f"optimizer.{name}.{moment}"]) for moment in MOMENTS}
                self._inner.state[weight] = moments | {"step": torch.tensor(float(steps))}
