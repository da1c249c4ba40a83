"""Gauss–Newton: the optimiser that finishes the pretrained network.

With 1153 weights the whole curvature matrix fits in memory. Most of its eigenvalues are less than a
millionth of the largest: along those directions a first-order method hardly moves.
"""

import math

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from model.network import Network
from model.weights.streams import GROUPS, Streams, Window

ROUNDS = 400
STEPS = 6  # in each round; its curvature serves them all
RATE = 0.3
CURVATURE_ROWS = 32  # streams; one window's curvature has rank enough only together with earlier ones
CURVATURE_MEMORY = 0.96
GRADIENT_MEMORY = 0.9
WARM_UP = 12  # rounds that only gather curvature
STRIDE = 0.7  # the standard deviation that a weight is expected to move by: decides the damping
TRUST = 0.01  # the most that one step may change the predictions by, squared, as a share of the loss
HARD = 1e-4  # mean squared error from which a stream counts less


class GaussNewton:
    """Damped Gauss–Newton steps on running means of curvature and gradient.

    `loss` is a running mean of the weighted squared error.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.loss = 0.0
        merge_biases(network)
        self._weights = free_weights(network)
        count = sum(weight.numel() for weight in self._weights)
        self._curvature = torch.zeros(count, count, dtype=torch.float64)
        self._gathered = 0.0  # share of the running mean of the curvature that is there yet
        self._gradient = torch.zeros(count, dtype=torch.float64)
        self._factor = torch.empty(0)

    def round(self, number: int, streams: Streams) -> None:
        """Renew the curvature, then make a few steps with it; the rate falls to 0 over all rounds."""
        rate = RATE * (1 + math.cos(math.pi * number / ROUNDS)) / 2
        for step in range(STEPS):
            window, state = streams.next(), streams.state
            prediction, _, after = self.network(window.x, state)
            streams.state = after.detach()
            weight = window.weight * stream_weight(window, prediction.detach())
            loss = (weight * (prediction - window.target) ** 2).mean()
            self.loss = 0.98 * self.loss + 0.02 * loss.item() if self.loss else loss.item()
            if step == 0:
                some = slice(number % GROUPS, None, len(weight) // CURVATURE_ROWS)
                self._gather(jacobian(self.network, window.x[some], state[0, some]) * weight[some].sqrt())
            if number >= WARM_UP:
                self._step(rate, loss)

    def _gather(self, rows: Float32[Tensor, "streams time weights"]) -> None:
        flat = rows.flatten(0, 1)
        fresh = (flat.T @ flat).double() / len(flat)
        self._curvature = CURVATURE_MEMORY * self._curvature + (1 - CURVATURE_MEMORY) * fresh
        self._gathered = CURVATURE_MEMORY * self._gathered + 1 - CURVATURE_MEMORY
        # the damping of a Bayesian: variance of what is left over against variance of the weights' moves
        damping = self.loss / STRIDE**2
        eye = torch.eye(len(fresh), dtype=torch.float64)
        self._factor = torch.linalg.cholesky(self._curvature / self._gathered + damping * eye)

    def _step(self, rate: float, loss: Float32[Tensor, ""]) -> None:
        parts = torch.autograd.grad(loss / 2, self._weights)
        fresh = nn.utils.parameters_to_vector(parts).double()
        self._gradient = GRADIENT_MEMORY * self._gradient + (1 - GRADIENT_MEMORY) * fresh
        step = rate * torch.cholesky_solve(self._gradient[:, None], self._factor)[:, 0]
        change = (step @ self._curvature @ step).item() / self._gathered
        step *= min(1.0, math.sqrt(TRUST * self.loss / change))
        with torch.no_grad():
            moved = nn.utils.parameters_to_vector(self._weights) - step.float()
            nn.utils.vector_to_parameters(moved, self._weights)


def merge_biases(network: Network) -> None:
    """The two biases of an RNN only ever act as a sum: make the second 0."""
    with torch.no_grad():
        network.rnn.get_parameter("bias_ih_l0").add_(network.rnn.get_parameter("bias_hh_l0"))
        network.rnn.get_parameter("bias_hh_l0").zero_()


def free_weights(network: Network) -> list[Tensor]:
    """The weights that move: all but the second bias."""
    rnn = [network.rnn.get_parameter(name) for name in ("weight_hh_l0", "weight_ih_l0", "bias_ih_l0")]
    return [*rnn, network.out.weight, network.out.bias]


def stream_weight(window: Window, prediction: Float[Tensor, "streams time 1"]) -> Float[Tensor, "streams 1 1"]:
    """Less for streams that are answered worst, as in a Cauchy loss: else a few decide every step."""
    error = (window.weight * (prediction - window.target) ** 2).mean((1, 2), keepdim=True)
    return 1 / (1 + error / HARD)


@torch.no_grad()
def jacobian(
    network: Network, x: Float[Tensor, "streams time 1"], state: Float[Tensor, "streams hidden"]
) -> Float[Tensor, "streams time weights"]:
    """∂prediction/∂weights at every sample, the weights in the order of `free_weights`.

    Carried forward in time (real-time recurrent learning, Williams and Zipser 1989) from zero at the window's
    start, so that it agrees with truncated backpropagation.
    """
    weight_hh, weight_ih, bias, weight_out, _ = (weight.detach() for weight in free_weights(network))
    size, streams = len(bias), len(x)
    square = size * size
    sensitivity = x.new_zeros(size, streams, square + 2 * size)  # ∂h/∂(weight_hh, weight_ih, bias)
    ahead = torch.empty_like(sensitivity)
    rows = []
    h = state
    for x_t in x.unbind(1):
        torch.mm(weight_hh, sensitivity.flatten(1), out=ahead.view(size, -1))
        sensitivity, ahead = ahead, sensitivity
        # row i of a weight acts on unit i alone, hence the diagonals: (streams, inputs, units)
        sensitivity[:, :, :square].view(size, streams, size, size).diagonal(0, 0, 2).add_(h[:, :, None])
        sensitivity[:, :, square : square + size].diagonal(0, 0, 2).add_(x_t)
        sensitivity[:, :, square + size :].diagonal(0, 0, 2).add_(1.0)
        h = torch.tanh(x_t @ weight_ih.T + h @ weight_hh.T + bias)
        sensitivity *= (1 - h * h).T[:, :, None]
        recurrent = (weight_out @ sensitivity.flatten(1)).view(streams, -1)
        rows.append(torch.cat([recurrent, h, x.new_ones(streams, 1)], 1))
    return torch.stack(rows, 1)
