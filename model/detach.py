"""The tutorial's loop without its "next step", the detach: a short experiment, in five acts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from model.learner import Learner
from model.network import Network, State, count_nodes
from model.optimizer import BETA1, BETA2, EPSILON
from model.recipe import Recipe
from model.signal import Chunk, Signal

CHUNKS = 6
"""Chunks in one act: enough to see the graph grow, few enough that the longest act takes 40 ms."""

ActName = Literal["detached", "only_forward", "second_backward", "retain_graph", "without_step"]


@dataclass(frozen=True)
class Tried:
    """One chunk, and how far the loop came with it.

    `nodes` is the size of the graph behind its loss. `milliseconds` holds `forward`, and `backward` where that went
    through. `error` is PyTorch's own sentence; nothing follows it.
    """

    chunk: int
    length: int
    nodes: int
    loss: float
    milliseconds: dict[Literal["forward", "backward"], float]
    error: str | None = None


@dataclass(frozen=True)
class Act:
    """One way to write the loop, and what its chunks met with."""

    name: ActName
    detach: bool
    backward: bool
    retain_graph: bool
    step: bool
    chunks: tuple[Tried, ...] = ()


ACTS = (
    Act("detached", detach=True, backward=True, retain_graph=False, step=True),
    Act("only_forward", detach=False, backward=False, retain_graph=False, step=False),
    Act("second_backward", detach=False, backward=True, retain_graph=False, step=True),
    Act("retain_graph", detach=False, backward=True, retain_graph=True, step=True),
    Act("without_step", detach=False, backward=True, retain_graph=True, step=False),
)
"""With the detach; without it, not learning; learning; with `retain_graph=True`; and so without the step."""


def experiment(recipe: Recipe) -> tuple[Act, ...]:
    """All acts, each from the first chunk and the same weights. Nothing is left behind."""
    recipe = sandboxed(recipe)
    start = Learner(recipe).checkpoint()
    return tuple(replace(act, chunks=tuple(_play(act, recipe, start.network()))) for act in ACTS)


def sandboxed(recipe: Recipe) -> Recipe:
    """The recipe as the experiment runs it: by PyTorch, state carried, random weights, one stream where they vary."""
    changes: dict[str, Any] = {"framework": "torch", "weights": "random", "carry_state": True, "train": True}
    if recipe.fewest_streams != recipe.most_streams:
        changes |= {"fewest_streams": 1, "most_streams": 1}
    return recipe.model_copy(update=changes)


def _play(act: Act, recipe: Recipe, network: Network) -> Iterator[Tried]:
    """The tutorial's loop, written as `act` says, up to its first error."""
    signal = Signal(recipe)
    optimizer = _Optimizer(recipe, network)
    h_state: State | None = None
    for number in range(1, CHUNKS + 1):
        chunk = signal.next()
        x, y = _tensors(chunk)
        began = perf_counter()
        with torch.enable_grad():
            prediction, _, h_state = network(x, h_state)
            # !! next step is important !!
            if act.detach:
                h_state = h_state.detach()
            loss = nn.functional.mse_loss(prediction, y)
        spent: dict[Literal["forward", "backward"], float] = {"forward": 1e3 * (perf_counter() - began)}
        error = None
        nodes = count_nodes(loss)
        if act.backward:
            network.zero_grad()
            began = perf_counter()
            try:
                loss.backward(retain_graph=act.retain_graph)  # type: ignore[no-untyped-call]
            except RuntimeError as failure:
                error = str(failure)
            else:
                spent["backward"] = 1e3 * (perf_counter() - began)
        yield Tried(number, chunk.length, nodes, loss.item(), spent, error)
        if error:
            return
        if act.step:
            optimizer.step()


def _tensors(chunk: Chunk) -> tuple[Float[Tensor, "streams time 1"], Float[Tensor, "streams time 1"]]:
    return torch.tensor(chunk.input).unsqueeze(-1), torch.tensor(chunk.target).unsqueeze(-1)


class _Optimizer:
    """The step of `torch.optim`'s Adam or SGD as the tutorial makes them: in place, and noticed by autograd.

    Not `model.optimizer.Optimizer`: that one's kernels are fused, and autograd does not notice what they change. It
    would go on with gradients that belong to no one's weights, instead of saying so.
    """

    def __init__(self, recipe: Recipe, network: Network) -> None:
        self._recipe = recipe
        self._weights: list[Tensor] = list(network.parameters())
        self._means = [torch.zeros_like(weight) for weight in self._weights]
        self._squares = [torch.zeros_like(weight) for weight in self._weights]
        self._steps = [torch.zeros(()) for _ in self._weights]

    def step(self) -> None:
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        common: Any = {"lr": self._recipe.learning_rate, "weight_decay": 0.0, "maximize": False, "foreach": False}
        with torch.no_grad():
            if self._recipe.optimizer == "adam":
                common |= {"beta1": BETA1, "beta2": BETA2, "eps": EPSILON, "amsgrad": False}
                adam(self._weights, gradients, self._means, self._squares, [], self._steps, **common)
            else:
                momenta: list[Tensor | None] = [None] * len(self._weights)
                sgd(self._weights, gradients, momenta, momentum=0.0, dampening=0.0, nesterov=False, **common)
