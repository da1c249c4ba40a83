"""The tutorial's loop without its plots: a process that makes updates on request, in PyTorch's default settings."""

import math
import sys
from collections.abc import Callable
from time import perf_counter, process_time

import numpy as np
import torch
from torch import nn


class Tutorial(nn.Module):
    """A recurrent layer, and a linear one that is applied time step by time step."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(input_size=1, hidden_size=32, num_layers=1, batch_first=True)
        self.out = nn.Linear(32, 1)

    def forward(self, x: torch.Tensor, state: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        hidden, state = self.rnn(x, state)
        outputs = []
        for time_step in range(hidden.size(1)):
            outputs.append(self.out(hidden[:, time_step, :]))
        return torch.stack(outputs, dim=1), state


def updates(count: int, clock: Callable[[], float] = perf_counter) -> float:
    """Make a new network learn from `count` chunks. Returns the seconds that took, by that clock."""
    torch.manual_seed(1)
    random = np.random.RandomState(1)
    network = Tutorial()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    loss_of = nn.MSELoss()
    state = None
    position = 0
    began = clock()
    for _ in range(count):
        half_periods = random.randint(1, 4)
        start, end = position * math.pi, (position + half_periods) * math.pi
        position += half_periods
        steps = np.linspace(start, end, 10 * half_periods, dtype=np.float32)
        x = torch.from_numpy(np.sin(steps)[np.newaxis, :, np.newaxis])
        y = torch.from_numpy(np.cos(steps)[np.newaxis, :, np.newaxis])
        prediction, state = network(x, state)
        state = state.data
        loss = loss_of(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        prediction.data.numpy().flatten()  # what it would plot
    return clock() - began


if __name__ == "__main__":
    updates(50)
    print("ready", flush=True)
    for line in sys.stdin:  # so many updates; `cpu` behind it asks for processor time
        count, *cpu = line.split()
        print(updates(int(count), process_time if cpu else perf_counter), flush=True)
