"""The tutorial's own program, without its plots: what the Learner is held to."""

import numpy as np
import torch
from torch import nn

from model.network import Network


class RNN(nn.Module):
    """The tutorial's module: the output layer is applied time step by time step."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(input_size=1, hidden_size=32, num_layers=1, batch_first=True)
        self.out = nn.Linear(32, 1)

    def forward(self, x: torch.Tensor, h_state: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        r_out, h_state = self.rnn(x, h_state)
        outs = [self.out(r_out[:, time_step, :]) for time_step in range(r_out.size(1))]
        return torch.stack(outs, dim=1), h_state


def losses(start: Network, lengths: list[int], dtype: torch.dtype, learning_rate: float = 0.02) -> list[float]:
    """Its loss in each update, from these weights and these chunk lengths in time steps."""
    rnn = RNN().to(dtype)
    rnn.load_state_dict(start.state_dict())
    optimizer = torch.optim.Adam(rnn.parameters(), lr=learning_rate, foreach=False)
    h_state = None
    step = 0
    shown = []
    for length in lengths:
        dynamic_steps = length // 10
        steps = np.linspace(step * np.pi, (step + dynamic_steps) * np.pi, length, dtype=np.float32)
        step += dynamic_steps
        x = torch.from_numpy(np.sin(steps)[np.newaxis, :, np.newaxis]).to(dtype)
        y = torch.from_numpy(np.cos(steps)[np.newaxis, :, np.newaxis]).to(dtype)
        prediction, h_state = rnn(x, h_state)
        h_state = h_state.data
        loss = nn.functional.mse_loss(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shown.append(loss.item())
    return shown
