"""The recurrent network: the tutorial's module, for any cell, any length and any number of streams."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.autograd.graph import Node

from model.recipe import Cell

State = Float[Tensor, "parts streams hidden"]
"""A hidden state: one part (h) for rnn and gru, two (h, c) for lstm."""

_LAYERS: dict[str, type[nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
_GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def state_parts(cell: Cell) -> int:
    """How many tensors the cell carries from time step to time step."""
    return 2 if cell == "lstm" else 1


def tensor_shapes(cell: Cell, hidden_size: int) -> dict[str, tuple[int, ...]]:
    """The shape of each of the network's tensors, by the tutorial module's names."""
    rows = _GATES[cell] * hidden_size
    return {
        "rnn.weight_ih_l0": (rows, 1),
        "rnn.weight_hh_l0": (rows, hidden_size),
        "rnn.bias_ih_l0": (rows,),
        "rnn.bias_hh_l0": (rows,),
        "out.weight": (1, hidden_size),
        "out.bias": (1,),
    }


class Network(nn.Module):
    """A recurrent layer and a linear one that reads a prediction off every hidden state.

    The graph is built anew in every call, from the length and the number of streams that come.

    Args:
        generator: draws the initial weights, uniform within ±1/√hidden_size as PyTorch's own layers are;
            without one the weights are left for `load_state_dict` to fill.
    """

    def __init__(self, cell: Cell, hidden_size: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.cell: Cell = cell
        self.hidden_size = hidden_size
        self.rnn: nn.RNNBase = _without_values(_LAYERS[cell], 1, hidden_size, batch_first=True)
        self.out: nn.Linear = _without_values(nn.Linear, hidden_size, 1)
        if generator is not None:
            bound = hidden_size**-0.5
            with torch.no_grad():
                for weight in self.parameters():
                    weight.uniform_(-bound, bound, generator=generator)

    def forward(
        self, x: Float[Tensor, "streams time 1"], state: State | None = None
    ) -> tuple[Float[Tensor, "streams time 1"], Float[Tensor, "streams time hidden"], State]:
        """Prediction and hidden state at each time step, and the state to carry on. No state means zeros."""
        if self.cell == "lstm":
            hidden, (h, c) = self.rnn(x, None if state is None else (state[0:1], state[1:2]))
            state = torch.cat([h, c])
        else:
            hidden, state = self.rnn(x, state)
        # the tutorial applies `out` time step by time step; to all at once is the same numbers, sooner
        return self.out(hidden), hidden, state

    def hidden_gradient(
        self, x: Float[Tensor, "streams time 1"], target: Float[Tensor, "streams time 1"], state: State | None
    ) -> Float[Tensor, "streams time hidden"]:
        """The total gradient ∂L/∂h_t of the mean squared error: through the head and through all later time steps.

        PyTorch's layers keep their inner states to themselves, so the chunk is unrolled here once more, cell by
        cell, in a graph of its own: looking on never changes what is learned.
        """
        weights = [parameter.detach() for parameter in self.rnn.parameters()]
        if state is None:
            state = x.new_zeros(state_parts(self.cell), len(x), self.hidden_size)
        h, c = state[0], state[-1]
        hidden = []
        with torch.enable_grad():
            h = h.detach().requires_grad_()
            for x_t in x.unbind(1):
                if self.cell == "lstm":
                    h, c = torch.lstm_cell(x_t, (h, c), *weights)
                else:
                    step = torch.gru_cell if self.cell == "gru" else torch.rnn_tanh_cell
                    h = step(x_t, h, *weights)
                hidden.append(h)
            prediction = nn.functional.linear(torch.stack(hidden, 1), self.out.weight.detach(), self.out.bias.detach())
            loss = nn.functional.mse_loss(prediction, target)
            gradients = torch.autograd.grad(loss, hidden)
        return torch.stack(gradients, 1)

    def arrays(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """Copies of the weights, by a checkpoint's names."""
        return {name: weight.detach().numpy().copy() for name, weight in self.named_parameters()}

    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def _get_name(self) -> str:
        # what `print` shows is what the tutorial's own class shows
        return self.cell.upper()


def _without_values(layer: type[Any], *sizes: int, **options: Any) -> Any:
    """A layer with unset weights: PyTorch's own initialisation would draw from the process-wide generator."""
    made = layer(*sizes, device="meta", **options)
    # not `to_empty`: for a meta tensor it imports torch's symbolic shapes and sympy, 0.7 s of every start
    for name, weight in list(made.named_parameters()):
        setattr(made, name, nn.Parameter(torch.empty(weight.shape)))
    return made


def count_nodes(result: Float[Tensor, ""]) -> int:
    """How many autograd nodes the graph behind `result` has."""
    seen: set[Any] = set()
    ahead: list[Node | None] = [result.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in seen:
            seen.add(node)
            ahead.extend(parent for parent, _ in node.next_functions)
    return len(seen)
