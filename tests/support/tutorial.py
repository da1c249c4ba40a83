"""The tutorial's losses from given weights and lengths: what the Learner is held to."""

import numpy as np
import torch
from torch import nn

from bench.tutorial import Tutorial
from model.network import Network


def losses(start: Network, lengths: list[int], dtype: torch.dtype, learning_rate: float = 0.02) -> list[float]:
    """Its loss in each update, from these weights and these chunk lengths in time steps."""
    rnn = Tutorial().to(dtype)
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
