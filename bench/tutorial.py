"""The tutorial's loop without its plots: a process that makes updates on request, in PyTorch's default settings."""

import sys
from collections.abc import Callable
from time import perf_counter, process_time

import torch
from torch import nn

from bench.chunks import chunks
from bench.workers import answer

LAYERS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

State = torch.Tensor | tuple[torch.Tensor, ...]
"""Of an LSTM its hidden state and its cell state."""


class Tutorial(nn.Module):
    """A recurrent layer, which is an RNN in the tutorial, and a linear one that is applied time step by time step."""

    def __init__(self, cell: str = "rnn") -> None:
        super().__init__()
        self.rnn = LAYERS[cell](input_size=1, hidden_size=32, num_layers=1, batch_first=True)
        self.out = nn.Linear(32, 1)

    def forward(self, x: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        hidden, state = self.rnn(x, state)
        outputs = []
        for time_step in range(hidden.size(1)):
            outputs.append(self.out(hidden[:, time_step, :]))
        return torch.stack(outputs, dim=1), state


def updates(count: int, clock: Callable[[], float] = perf_counter, cell: str = "rnn") -> float:
    """Make a new network learn from `count` chunks. Returns the seconds that took, by that clock."""
    torch.manual_seed(1)
    network = Tutorial(cell)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    loss_of = nn.MSELoss()
    state = None
    began = clock()
    for x_np, y_np in chunks(count):
        x = torch.from_numpy(x_np[None, :, None])
        y = torch.from_numpy(y_np[None, :, None])
        prediction, state = network(x, state)
        state = tuple(part.data for part in state) if isinstance(state, tuple) else state.data
        loss = loss_of(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        prediction.data.numpy().flatten()  # what it would plot
    return clock() - began


def asked(line: str) -> float:
    """So many updates; `cpu` behind it asks for processor time."""
    count, *cpu = line.split()
    return updates(int(count), process_time if cpu else perf_counter, *sys.argv[1:])


if __name__ == "__main__":
    updates(50, perf_counter, *sys.argv[1:])
    answer(asked)
