"""TensorFlowProgram: the tutorial's second program. Its graph is static: built once, then fed chunks of any length."""

from collections.abc import Callable, Mapping
from importlib import util
from time import perf_counter
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from model.checkpoint import Tensors
from model.optimizer import BETA2, EPSILON
from model.program import NotFinite, Outcome, Program, Task
from model.tensorflow.static_graph import static_graph

Weights = Mapping[str, np.ndarray]
MakeProgram = Callable[[int, Literal["adam", "sgd"], Weights], Program]

_TEXT = """RNN(
  (graph): built once, {operations} ops
  (x, y): placeholder [None, 1]
  (state): [1, {hidden_size}], fed back
  (rnn): dynamic_rnn(1, {hidden_size})
  (out): dense({hidden_size}, 1)
)"""

INSTALL = "pip install 'unrolled[tensorflow]'"
"""The command that installs it."""


class NotInstalled(RuntimeError):
    """The recipe asks for TensorFlow, which is not here."""

    def __init__(self) -> None:
        super().__init__(f"TensorFlow is not installed here; {INSTALL} brings it")

    def __reduce__(self) -> tuple[type["NotInstalled"], tuple[()]]:
        return type(self), ()  # it crosses over from another process


def is_installed() -> bool:
    """Whether TensorFlow is here; it is not imported to find out."""
    return util.find_spec("tensorflow") is not None


class TensorFlowProgram:
    """A `Program` in TensorFlow's graph mode, on one thread.

    Args:
        weights: where it starts, by a checkpoint's names and in its layouts.

    Raises:
        NotInstalled: TensorFlow is not here.
    """

    def __init__(self, hidden_size: int, optimizer: Literal["adam", "sgd"], weights: Weights) -> None:
        if not is_installed():
            raise NotInstalled()
        self._graph = static_graph(hidden_size, optimizer)
        self._session = self._graph.session()
        self._graph.assign(self._session, weights)
        self.text = _TEXT.format(hidden_size=hidden_size, operations=self._graph.operations)
        self.parameters = sum(int(weight.size) for weight in weights.values())
        self.versions = {"tensorflow": self._graph.version}
        self.steps = 0

    def run(self, task: Task) -> Outcome:
        """As `Program.run` says. There is one stream, always."""
        graph, views, learning_rate = self._graph, task.views, task.learning_rate
        feeds: dict[Any, Any] = {graph.x: task.input.T, graph.y: task.target.T}
        if task.state is not None:
            feeds[graph.initial_state] = task.state[0]
        wanted = {"prediction": graph.prediction, "loss": graph.loss, "state": graph.last_state}
        if "hidden" in views:
            wanted["hidden"] = graph.hidden
        if "gradient" in views:
            wanted["gradient"] = graph.gradient_norm
        if learning_rate is not None:
            wanted["step"] = graph.step
            feeds[graph.learning_rate] = learning_rate
            # TensorFlow adds it to the uncorrected root, PyTorch to the corrected one; this makes them the same Adam
            feeds[graph.epsilon] = EPSILON * (1 - BETA2 ** (self.steps + 1)) ** 0.5
        began = perf_counter()
        made = self._session.run(wanted, feeds)
        spent = {"run": 1e3 * (perf_counter() - began)}
        if learning_rate is not None:
            finite = self._session.run(graph.settled)
            if not finite.all():
                loss_is_finite = np.isfinite(made["loss"])
                raise NotFinite(graph.first_not_finite(self._session, finite, feeds) if loss_is_finite else "loss")
            self.steps += 1
        if not np.isfinite(made["loss"]):
            raise NotFinite("loss")
        after = self._session.run(graph.prediction, feeds) if "after" in views else None
        return Outcome(
            prediction=made["prediction"].T,
            loss=float(made["loss"]),
            carried=made["state"][np.newaxis],
            milliseconds=spent,
            hidden=made.get("hidden"),
            gradient=_finite(made["gradient"]) if "gradient" in views else None,
            prediction_after=None if after is None else _finite(after.T),
            nodes=graph.operations if "graph" in views else None,
        )

    def tensors(self) -> Tensors:
        """As `Program.tensors` says."""
        tensors = self._graph.tensors(self._session)
        return {name: value for name, value in tensors.items() if self.steps > 0 or not name.startswith("optimizer.")}

    def load(self, tensors: Tensors, steps: int) -> None:
        """As `Program.load` says."""
        self.steps = steps
        self._graph.assign(self._session, tensors)


def _finite(rows: Float32[np.ndarray, "streams time"]) -> Float32[np.ndarray, "streams time"]:
    """Numbers no larger than float32 can say: a view may overflow right before a divergence."""
    most = float(np.finfo(np.float32).max)
    finite: Float32[np.ndarray, "streams time"] = np.nan_to_num(rows, nan=most, posinf=most, neginf=-most)
    return finite
