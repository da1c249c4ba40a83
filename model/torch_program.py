"""TorchProgram: the tutorial's first program. Its graph is dynamic: built anew for each chunk that comes."""

from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from model.checkpoint import Tensors
from model.network import Network, State, count_nodes
from model.optimizer import Optimizer
from model.program import NotFinite, Outcome, Task, finite
from model.recipe import Recipe


class TorchProgram:
    """A `Program` in PyTorch. The network is taken over and moved.

    Args:
        dtype: of the network; float64 is for tests against the tutorial.
    """

    def __init__(self, recipe: Recipe, network: Network, dtype: torch.dtype = torch.float32) -> None:
        self.network = network.to(dtype)
        self.text = str(network)
        self.parameters = network.parameter_count()
        self.versions: dict[str, str] = {}  # PyTorch's is named by every run
        self._dtype = dtype
        self._optimizer = Optimizer(recipe, dict(network.named_parameters()))

    @property
    def steps(self) -> int:
        return self._optimizer.steps

    def run(self, task: Task) -> Outcome:
        """As `Program.run` says."""
        views, learning_rate = task.views, task.learning_rate
        inputs, targets = self._tensor(task.input).unsqueeze(-1), self._tensor(task.target).unsqueeze(-1)
        before: State | None = None if task.state is None else self._tensor(task.state)
        learns = learning_rate is not None
        began = perf_counter()
        with torch.set_grad_enabled(learns or "graph" in views):
            prediction, hidden, carried = self.network(inputs, before)
            loss = nn.functional.mse_loss(prediction, targets)
        spent = {"forward": 1e3 * (perf_counter() - began), "backward": 0.0, "optimizer": 0.0}
        value = loss.item()
        if not np.isfinite(value):
            raise NotFinite("loss")
        shown: dict[str, Any] = {}
        if "graph" in views:
            shown["nodes"] = count_nodes(loss)
        if "gradient" in views:
            gradient = self.network.hidden_gradient(inputs, targets, before)
            shown["gradient"] = finite(torch.linalg.vector_norm(gradient.double(), dim=2).numpy())
        if learning_rate is not None:
            spent |= self._learn(loss, learning_rate)
        if "after" in views:
            with torch.no_grad():
                shown["prediction_after"] = finite(self.network(inputs, before)[0].squeeze(-1).numpy())
        if "hidden" in views:
            shown["hidden"] = _array(hidden)
        # detached, so that the next backward stops at the seam
        return Outcome(_array(prediction.squeeze(-1)), value, carried.detach().numpy(), spent, **shown)

    def _tensor(self, values: Float[np.ndarray, "*shape"]) -> Float[Tensor, "*shape"]:
        # a copy in torch's own memory: a kernel may round by how its operands are aligned, and numpy's vary
        return torch.tensor(values, dtype=self._dtype)

    def _learn(self, loss: Float[Tensor, ""], learning_rate: float) -> dict[str, float]:
        """Backward and optimiser; the milliseconds they took."""
        self._optimizer.set_learning_rate(learning_rate)
        self._optimizer.zero_grad()
        began = perf_counter()
        loss.backward()  # type: ignore[no-untyped-call]
        backward = 1e3 * (perf_counter() - began)
        if bad := self._optimizer.step():
            raise NotFinite(bad)
        return {"backward": backward, "optimizer": self._optimizer.milliseconds}

    def tensors(self) -> Tensors:
        """As `Program.tensors` says. Only float32 has a place in a checkpoint."""
        assert self._dtype == torch.float32
        return {**self.network.arrays(), **self._optimizer.tensors()}

    def load(self, tensors: Tensors, steps: int) -> None:
        """As `Program.load` says."""
        self._optimizer.load(tensors, steps)


def _array(tensor: Float[Tensor, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    return tensor.detach().float().contiguous().numpy()
