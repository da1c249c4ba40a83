"""TensorFlow's kinds of graph: built once in version 1, or traced from a Python function."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from model.lab.plan import Plan, Planned, Rows
from model.lab.torch_graphs import LEARNING_RATE, Keep
from model.network import Network
from model.optimizer import BETA1, BETA2, EPSILON
from model.program import Task
from model.tensorflow.program import TensorFlowProgram
from model.tensorflow.static_graph import recurrence, tensorflow


class Version1:
    """The tutorial's second program, as the page runs it."""

    def __init__(self, network: Network, plan: Plan) -> None:
        self._program = TensorFlowProgram(plan.hidden_size, "adam", network.arrays())
        self._state: Any = None
        self.graphs = 1
        self.notes: list[str] = []
        self.errors: list[str] = []

    def step(self, chunk: Planned, x: Rows, target: Rows) -> tuple[float, int]:
        """One update; more than one stream does not fit the placeholder."""
        made = self._program.run(Task(x, target, self._state, LEARNING_RATE, frozenset()))
        self._state = made.carried
        return made.loss, chunk.streams * chunk.length


class Traced:
    """tf.function: TensorFlow 2 traces a Python function into a graph, one for each signature that comes."""

    def __init__(self, network: Network, plan: Plan, signature: bool) -> None:
        tf = self._tf = tensorflow()
        tf.get_logger().setLevel("WARNING")
        self.notes: list[str] = []
        self.errors: list[str] = []
        logging.getLogger("tensorflow").addHandler(Keep(self.notes))
        self._hidden_size = plan.hidden_size
        self._state: Any = None
        self._weights = [tf.Variable(weight) for weight in network.arrays().values()]
        self._moments = [[tf.Variable(tf.zeros_like(weight)) for _ in range(2)] for weight in self._weights]
        self._powers = [tf.Variable(BETA1), tf.Variable(BETA2)]
        rows, state = tf.TensorSpec([None, None, 1], tf.float32), tf.TensorSpec([None, plan.hidden_size], tf.float32)
        options: Mapping[str, Any] = {"input_signature": [rows, rows, state]} if signature else {}
        self._update: Any = tf.function(self._updated, autograph=False, **options)

    @property
    def graphs(self) -> int:
        return int(self._update.experimental_get_tracing_count())

    def step(self, chunk: Planned, x: Rows, target: Rows) -> tuple[float, int]:
        """One update."""
        state = self._state
        if state is None or state.shape[0] != chunk.streams:
            state = np.zeros((chunk.streams, self._hidden_size), np.float32)
        tf = self._tf
        loss, self._state = self._update(tf.constant(x[..., None]), tf.constant(target[..., None]), tf.constant(state))
        return float(loss), chunk.streams * chunk.length

    def _updated(self, x: Any, target: Any, state: Any) -> tuple[Any, Any]:
        """Forward, loss, backward and Adam, on symbols: the function that TensorFlow traces."""
        tf = self._tf
        *recurrent, w_out, b_out = self._weights
        with tf.GradientTape() as tape:
            hidden = tf.scan(lambda h, x_t: recurrence(tf, x_t, h, *recurrent), tf.transpose(x, [1, 0, 2]), state)
            prediction = tf.einsum("tsh,oh->sto", hidden, w_out) + b_out
            loss = tf.reduce_mean((prediction - target) ** 2)
        power1, power2 = self._powers
        for weight, (mean, square), gradient in zip(
            self._weights, self._moments, tape.gradient(loss, self._weights), strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle, m=mean.handle, v=square.handle, beta1_power=power1, beta2_power=power2,
                lr=LEARNING_RATE, beta1=BETA1, beta2=BETA2, epsilon=EPSILON * tf.sqrt(1 - power2), grad=gradient,
            )  # fmt: skip
        power1.assign(power1 * BETA1)
        power2.assign(power2 * BETA2)
        return loss, hidden[-1]
