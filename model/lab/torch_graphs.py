"""PyTorch's kinds of graph: eager, padded, compiled and exported."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.lab.plan import Plan, Planned, Rows
from model.network import Network

LEARNING_RATE = 0.02


class Eager:
    """The graph is built anew for each chunk. `notes` and `errors` are what there is to say beside the numbers."""

    def __init__(self, network: Network, plan: Plan) -> None:
        self.network = network
        self.plan = plan
        self.graphs = 0
        self.notes: list[str] = []
        self.errors: list[str] = []
        self.state: Tensor | None = None
        self.optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)

    def predict(
        self, x: Float[Tensor, "streams time 1"], state: Float[Tensor, "1 streams hidden"]
    ) -> tuple[Float[Tensor, "streams time 1"], Float[Tensor, "1 streams hidden"]]:
        """The prediction, with the output layer applied to the whole chunk at once."""
        prediction, _, carried = self.network(x, state)
        return prediction, carried

    def step(self, chunk: Planned, x: Rows, target: Rows) -> tuple[float, int]:
        """One update. Returns the loss and the number of time steps computed, those of all streams together."""
        prediction, carried = self.predict(torch.tensor(x).unsqueeze(-1), self.before(chunk.streams))
        self.learn(nn.functional.mse_loss(prediction, torch.tensor(target).unsqueeze(-1)))
        self.state = carried.detach()
        self.graphs += 1
        return self.loss, chunk.streams * chunk.length

    def before(self, streams: int) -> Float[Tensor, "1 streams hidden"]:
        """The state that a chunk starts from: zeros where the number of streams has changed."""
        if self.state is None or self.state.shape[1] != streams:
            return torch.zeros(1, streams, self.network.hidden_size)
        return self.state

    def learn(self, loss: Float[Tensor, ""]) -> None:
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.loss = loss.item()


class EagerSteps(Eager):
    """As the tutorial writes it: the output layer is applied in a loop over the time steps."""

    def predict(
        self, x: Float[Tensor, "streams time 1"], state: Float[Tensor, "1 streams hidden"]
    ) -> tuple[Float[Tensor, "streams time 1"], Float[Tensor, "1 streams hidden"]]:
        """The prediction, with the output layer applied time step by time step."""
        hidden, carried = self.network.rnn(x, state)
        outs = [self.network.out(hidden[:, step, :]) for step in range(hidden.size(1))]
        return torch.stack(outs, 1), carried


class Padded(Eager):
    """One shape for each phase: what is smaller is filled with zeros, and a mask keeps those from the loss."""

    def step(self, chunk: Planned, x: Rows, target: Rows) -> tuple[float, int]:
        """As Eager's; the padding is computed too."""
        streams, longest = self.plan.longest(chunk.phase)
        fill = (0, longest - chunk.length, 0, streams - chunk.streams)
        inputs, targets, mask = (
            nn.functional.pad(rows, fill).unsqueeze(-1)
            for rows in (torch.tensor(x), torch.tensor(target), torch.ones(x.shape))
        )
        before = self.before(chunk.streams)
        state = nn.functional.pad(before, (0, 0, 0, streams - chunk.streams))
        prediction, hidden, _ = self.network(inputs, state)
        self.learn((mask * (prediction - targets) ** 2).sum() / mask.sum())
        self.state = hidden[: chunk.streams, chunk.length - 1].detach().unsqueeze(0)  # not what the padding made of it
        self.graphs += 1
        return self.loss, streams * longest


class Compiled(Eager):
    """torch.compile. Left to itself it skips nn.RNN and compiles nothing; `allow_rnn` makes it try."""

    def __init__(self, network: Network, plan: Plan, dynamic: bool) -> None:
        super().__init__(network, plan)
        import torch._dynamo

        torch._dynamo.config.allow_rnn = True
        self.notes.append("torch._dynamo.config.allow_rnn = True: without it nn.RNN is skipped and nothing is compiled")
        logging.getLogger("torch._dynamo").addHandler(Keep(self.notes))
        # nn.RNN keeps weak references to its weights, and Network's lead nowhere until its first call. A graph compiled
        # before that would fit no later call: the same length would be compiled once more, and it is not its fault.
        with torch.no_grad():
            network(torch.zeros(1, 1, 1), torch.zeros(1, 1, plan.hidden_size))
        self._counters: Any = torch._dynamo.utils.counters
        self._compiled: Callable[..., Any] = torch.compile(network, dynamic=dynamic)

    def predict(
        self, x: Float[Tensor, "streams time 1"], state: Float[Tensor, "1 streams hidden"]
    ) -> tuple[Float[Tensor, "streams time 1"], Float[Tensor, "1 streams hidden"]]:
        """By the compiled network, or by a new one for this shape."""
        prediction, _, carried = self._compiled(x, state)
        return prediction, carried

    def step(self, chunk: Planned, x: Rows, target: Rows) -> tuple[float, int]:
        """As Eager's; `graphs` is how many have been compiled."""
        try:
            return super().step(chunk, x, target)
        finally:
            self.graphs = self._counters["stats"]["unique_graphs"]


class Exported(Eager):
    """torch.export with a dynamic dimension, then ONNX Runtime, which only predicts."""

    def __init__(self, network: Network, plan: Plan) -> None:
        super().__init__(network, plan)
        import onnxruntime
        from torch.export import Dim

        _, longest = plan.longest("known")
        example = torch.zeros(2, longest, 1), torch.zeros(1, 2, network.hidden_size)
        batch = Dim("batch", min=1, max=64)
        free = {"x": {0: batch, 1: Dim("time", min=1, max=4096)}, "state": {1: batch}}
        try:
            torch.export.export(network, example, dynamic_shapes=free)
            self.graphs += 1
        except Exception as error:
            self.errors.append(f"torch.export.export(rnn): {type(error).__name__}: {error}")
            self.notes.append("the recurrence is written as torch's scan instead of nn.RNN, and then exported")
        program: Any = torch.onnx.export(
            _Scan(network),
            example,
            input_names=["x", "state"],
            output_names=["prediction", "state_out"],
            dynamic_shapes=free,
            dynamo=True,
            verbose=False,
        )
        self.graphs = 1
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options)

    def step(self, chunk: Planned, x: Rows, target: Rows) -> tuple[float, int]:
        """One prediction, and its loss; nothing is learned."""
        feeds = {"x": x[..., None], "state": self.before(chunk.streams).numpy()}
        prediction, carried = self._session.run(None, feeds)
        self.state = torch.tensor(carried)
        return float(np.mean((prediction[..., 0] - target) ** 2)), chunk.streams * chunk.length


class _Scan(nn.Module):
    """The network with its loop over time as a `scan`, which an exporter keeps as a loop."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.rnn, self.out = network.rnn, network.out

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        from torch._higher_order_ops.scan import scan

        w_ih, w_hh, b_ih, b_hh = self.rnn.parameters()

        def step(h: Tensor, x_t: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.tanh(x_t @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
            return h, h.clone()

        last, hidden = scan(step, state[0], x.transpose(0, 1), dim=0)
        return self.out(hidden.transpose(0, 1)), last.unsqueeze(0)


class Keep(logging.Handler):
    """Keeps what a framework warns of."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._notes and len(self._notes) < 8:
            self._notes.append(text)
