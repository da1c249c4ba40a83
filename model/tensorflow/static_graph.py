"""StaticGraph: the tutorial's TensorFlow program as a graph, built once. Its time dimension is free, its batch is 1."""

import os
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal

import numpy as np

from model.checkpoint import MOMENTS, POWERS, Array, Tensors
from model.network import tensor_shapes
from model.optimizer import BETA1, BETA2

_SLOTS = dict(zip(MOMENTS, ("m", "v"), strict=True))
"""PyTorch's names of Adam's moments, and TensorFlow's."""

_POWER_NAMES = tuple(f"optimizer.{power}" for power in POWERS)


def tensorflow() -> Any:
    """The module; the first call takes seconds. Quiet, on the CPU, and with kernels that round the same every time."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    tf = import_module("tensorflow")
    tf.get_logger().setLevel("ERROR")
    return tf


@lru_cache(maxsize=8)
def static_graph(hidden_size: int, optimizer: Literal["adam", "sgd"]) -> "StaticGraph":
    """The graph of this size. Building takes most of a second, so runs of one size share it; each has its session."""
    return StaticGraph(tensorflow(), hidden_size, optimizer)


class StaticGraph:
    """Placeholders, recurrent layer, loss and optimiser, all there before the first chunk comes.

    A session on it holds a run's weights. Its attributes are the graph's tensors: `x` and `y` are [time, 1], `hidden`
    [1, time, hidden], the states [1, hidden]. `operations` counts what the tutorial's program has; what is needed
    for views and for undoing a step comes after it.
    """

    def __init__(self, tf: Any, hidden_size: int, optimizer: Literal["adam", "sgd"]) -> None:
        self._tf = tf
        self.version: str = tf.__version__
        self.graph = tf.Graph()
        with self.graph.as_default():
            self._build(hidden_size, optimizer)

    def _build(self, hidden_size: int, optimizer: Literal["adam", "sgd"]) -> None:
        tf, v1 = self._tf, self._tf.compat.v1
        weights = {
            name: v1.get_variable(name, shape, tf.float32, v1.zeros_initializer(), use_resource=True)
            for name, shape in tensor_shapes("rnn", hidden_size).items()
        }
        *recurrent, out_weight, out_bias = weights.values()
        cell = _Cell(tf, hidden_size, *recurrent)

        def predict(inputs: Any) -> tuple[Any, Any, Any]:
            hidden, last = v1.nn.dynamic_rnn(cell, inputs, initial_state=self.initial_state)
            flat = tf.reshape(hidden, [-1, hidden_size])
            return tf.matmul(flat, out_weight, transpose_b=True) + out_bias, hidden, last

        self.x = v1.placeholder(tf.float32, [None, 1], "x")
        self.y = v1.placeholder(tf.float32, [None, 1], "y")
        self.learning_rate = v1.placeholder(tf.float32, [], "learning_rate")
        self.epsilon = v1.placeholder(tf.float32, [], "epsilon")
        self.initial_state = cell.zero_state(1, tf.float32)
        inputs = tf.reshape(self.x, [1, -1, 1])
        self.prediction, self.hidden, self.last_state = predict(inputs)
        self.loss = v1.losses.mean_squared_error(self.y, self.prediction)
        if optimizer == "adam":
            method = v1.train.AdamOptimizer(self.learning_rate, BETA1, BETA2, self.epsilon)
        else:
            method = v1.train.GradientDescentOptimizer(self.learning_rate)
        gradients = method.compute_gradients(self.loss, list(weights.values()))
        self._gradients = {name: gradient for name, (gradient, _) in zip(weights, gradients, strict=True)}
        self.step = method.apply_gradients(gradients)
        self._moving = dict(weights)
        if optimizer == "adam":
            for ours, its in _SLOTS.items():
                self._moving |= {f"optimizer.{name}.{ours}": method.get_slot(weights[name], its) for name in weights}
            self._moving |= dict(zip(_POWER_NAMES, method._get_beta_accumulators(), strict=True))
        self.operations = len(self.graph.get_operations())
        self.settled = self._add_undo()

        # The view `gradient`: the chunk once more, with a number added to each hidden state that the loss can be
        # derived by. Without it the graph's loop keeps its inner states to itself, as PyTorch's layer does.
        nudge = v1.placeholder_with_default(tf.zeros_like(self.hidden), [1, None, hidden_size])
        nudged, _, _ = predict(tf.concat([inputs, nudge], 2))
        (by_state,) = tf.gradients(v1.losses.mean_squared_error(self.y, nudged), nudge)
        self.gradient_norm = tf.norm(by_state, axis=2)

        self._feeds = {name: v1.placeholder(tf.float32, moved.shape) for name, moved in self._moving.items()}
        self._assign = {name: moved.assign(self._feeds[name]) for name, moved in self._moving.items()}
        self._initialize = v1.global_variables_initializer()
        self.graph.finalize()

    def _add_undo(self) -> Any:
        """Add what is run after each step: whether all that it moved is finite; where it is not, the step is undone."""
        tf, v1 = self._tf, self._tf.compat.v1
        kept = {
            name: v1.get_variable(f"kept/{name}", moved.shape, initializer=v1.zeros_initializer(), use_resource=True)
            for name, moved in self._moving.items()
        }
        self._keep = tf.group([kept[name].assign(moved) for name, moved in self._moving.items()])

        def copied(source: Mapping[str, Any], to: Mapping[str, Any]) -> Any:
            with tf.control_dependencies([variable.assign(source[name]) for name, variable in to.items()]):
                return tf.constant(0)

        finite = tf.stack([tf.reduce_all(tf.math.is_finite(moved)) for moved in self._moving.values()])
        settled = v1.cond(
            tf.reduce_all(finite), lambda: copied(self._moving, to=kept), lambda: copied(kept, to=self._moving)
        )
        with tf.control_dependencies([settled]):
            return tf.identity(finite)

    def session(self) -> Any:
        """A new session: one thread, since sums split over threads round differently.

        A state of zeros that is fed and one that is left to its default are not equal bits: Grappler's arithmetic
        optimiser folds the constant and moves the sums (17,418 of 32,000 hidden numbers differ). A run always does the
        one or the other; they are not to be swapped.
        """
        v1 = self._tf.compat.v1
        one = v1.ConfigProto(
            intra_op_parallelism_threads=1, inter_op_parallelism_threads=1, use_per_session_threads=True
        )
        session = v1.Session(graph=self.graph, config=one)
        session.run(self._initialize)
        return session

    def assign(self, session: Any, tensors: Tensors) -> None:
        """Set those of the session's weights, moments and powers that `tensors` has."""
        here = [name for name in self._moving if name in tensors]
        session.run([self._assign[name] for name in here], {self._feeds[name]: tensors[name] for name in here})
        session.run(self._keep)

    def tensors(self, session: Any) -> dict[str, Array]:
        """All that training moves, by a checkpoint's names."""
        return {name: np.asarray(value) for name, value in session.run(self._moving).items()}

    def first_not_finite(self, session: Any, finite: Any, feeds: Mapping[Any, Any]) -> str:
        """The first gradient (or its moments), or else weight, that was not finite in a step that was undone."""
        gradients = session.run(self._gradients, feeds)
        names = [name for name, good in zip(self._moving, finite, strict=True) if not good]
        for name, gradient in gradients.items():
            if not np.isfinite(gradient).all() or any(f"optimizer.{name}.{moment}" in names for moment in MOMENTS):
                return f"{name}.grad"
        return names[0]


def recurrence(tf: Any, x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    """The next hidden state, tanh(W_ih x + b_ih + W_hh h + b_hh); x is [streams, 1], h [streams, hidden]."""
    return tf.tanh(tf.matmul(x, w_ih, transpose_b=True) + b_ih + tf.matmul(h, w_hh, transpose_b=True) + b_hh)


class _Cell:
    """The recurrence as `dynamic_rnn` wants a cell to look.

    TensorFlow's own BasicRNNCell cannot be had beside Keras 3. This one has PyTorch's two biases: with one, Adam
    would move their sum half as far. Columns of the input beyond the first are added to the new state.
    """

    def __init__(self, tf: Any, hidden_size: int, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> None:
        self.output_size = self.state_size = hidden_size
        self._tf = tf
        self._weights = w_ih, w_hh, b_ih, b_hh

    def zero_state(self, batch: int, dtype: Any) -> Any:
        return self._tf.zeros([batch, self.state_size], dtype)

    def __call__(self, x: Any, h: Any, scope: Any = None) -> tuple[Any, Any]:
        h = recurrence(self._tf, x[:, :1], h, *self._weights)
        if x.shape[-1] > 1:
            h += x[:, 1:]
        return h, h
