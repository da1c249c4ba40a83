"""Optimizer: PyTorch's Adam or SGD, with a step that can be undone and moments that travel in a checkpoint."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from model.checkpoint import MOMENTS, Tensors
from model.recipe import Recipe

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Adam's constants: PyTorch's defaults, and the tutorial's."""


class Optimizer:
    """Moves a network's weights, or leaves them where they were if the result would not be finite.

    It calls the functions behind `torch.optim`'s classes: making one of those imports PyTorch's compiler, for which
    the first viewer of a server would wait two seconds. The numbers are theirs, to the bit.

    `steps` counts the steps made; `milliseconds` is what the last one took.
    """

    def __init__(self, recipe: Recipe, weights: Mapping[str, nn.Parameter]) -> None:
        self._weights = weights
        self._adam = recipe.optimizer == "adam"
        self._learning_rate = recipe.learning_rate
        self._moments: dict[str, list[Tensor]] = {}
        if self._adam:
            self._moments = {name: [torch.zeros_like(weight) for weight in weights.values()] for name in MOMENTS}
        self._steps = [torch.zeros(()) for _ in weights] if self._adam else []
        moving = [weight.detach() for weight in weights.values()]
        self._moving = [*moving, *self._steps, *(tensor for tensors in self._moments.values() for tensor in tensors)]
        self._before = [torch.empty_like(tensor) for tensor in self._moving]
        self.steps = 0
        self.milliseconds = 0.0

    def set_learning_rate(self, learning_rate: float) -> None:
        # the moments stay: without them Adam would begin anew
        self._learning_rate = learning_rate

    def zero_grad(self) -> None:
        for weight in self._weights.values():
            weight.grad = None

    def step(self) -> str | None:
        """Move the weights by their gradients.

        Returns:
            None, or the name of the first gradient or weight that is not finite (or whose square, which Adam
            keeps, is not): then nothing has moved.
        """
        torch._foreach_copy_(self._before, self._moving)
        began = perf_counter()
        self._move()
        self.milliseconds = 1e3 * (perf_counter() - began)
        if bad := self._first_not_finite():
            torch._foreach_copy_(self._moving, self._before)
            return bad
        self.steps += 1
        return None

    def _move(self) -> None:
        weights = self._moving[: len(self._weights)]
        gradients = [weight.grad for weight in self._weights.values() if weight.grad is not None]
        common: Any = {"lr": self._learning_rate, "weight_decay": 0.0, "maximize": False, "fused": True}
        if self._adam:
            common |= {"beta1": BETA1, "beta2": BETA2, "eps": EPSILON, "amsgrad": False}
            means, squares = self._moments.values()
            adam(weights, gradients, means, squares, [], self._steps, **common)
        else:
            sgd(weights, gradients, [None] * len(weights), momentum=0.0, dampening=0.0, nesterov=False, **common)

    def _first_not_finite(self) -> str | None:
        # one sum tells in the common case; it also overflows for numbers that are merely large, so then look
        norms: Any = torch._foreach_norm(self._moving)
        if np.isfinite(sum(norm.item() for norm in norms)):
            return None
        for at, (name, weight) in enumerate(self._weights.items()):
            moments = [tensors[at] for tensors in self._moments.values()]
            if not all(torch.isfinite(tensor).all() for tensor in (weight.grad, *moments) if tensor is not None):
                return f"{name}.grad"
        return next((name for name, weight in self._weights.items() if not torch.isfinite(weight).all()), None)

    def tensors(self) -> Tensors:
        """Copies of the moments, by the names that a checkpoint gives them."""
        return {
            f"optimizer.{name}.{moment}": tensors[at].numpy().copy()
            for at, name in enumerate(self._weights)
            for moment, tensors in self._moments.items()
            if self.steps > 0
        }

    def load(self, tensors: Tensors, steps: int) -> None:
        """Go on with a checkpoint's moments after so many steps."""
        self.steps = steps
        for tensor in self._steps:
            tensor.fill_(steps)
        for moment, ours in self._moments.items():
            for name, tensor in zip(self._weights, ours, strict=True):
                if (key := f"optimizer.{name}.{moment}") in tensors:
                    tensor.copy_(torch.tensor(tensors[key]))
