"""What a user of JAX would write: a jitted update with Adam over a `lax.scan`, compiled for each of three lengths."""

from functools import partial
from time import perf_counter
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bench.chunks import chunks
from bench.workers import answer

HIDDEN = 32
LEARNING_RATE, BETA1, BETA2, EPSILON = 0.02, 0.9, 0.999, 1e-8

Tree = dict[str, jax.Array]


class Learning(NamedTuple):
    """A network on its way: its weights, Adam's moments and the number of its next step."""

    weights: Tree
    first: Tree
    second: Tree
    step: jax.Array


def begun(weights: Tree) -> Learning:
    """A network that begins with these weights."""
    return Learning(weights, jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights), jnp.ones(()))


def drawn() -> Tree:
    """New weights, drawn as PyTorch draws them: all within 1/√hidden."""
    shapes = {"input": (HIDDEN,), "hidden": (HIDDEN, HIDDEN), "input_bias": (HIDDEN,), "hidden_bias": (HIDDEN,)}
    shapes |= {"out": (HIDDEN,), "out_bias": ()}
    keys = jax.random.split(jax.random.key(1), len(shapes))
    most = HIDDEN**-0.5
    return {
        name: jax.random.uniform(key, shape, minval=-most, maxval=most)
        for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }


def loss_of(weights: Tree, x: jax.Array, y: jax.Array, state: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """A chunk's mean squared error; and the state after it, and the prediction."""
    bias = weights["input_bias"] + weights["hidden_bias"]

    def time_step(hidden: jax.Array, sample: jax.Array) -> tuple[jax.Array, jax.Array]:
        hidden = jnp.tanh(weights["input"] * sample + weights["hidden"] @ hidden + bias)
        return hidden, hidden @ weights["out"] + weights["out_bias"]

    state, prediction = jax.lax.scan(time_step, state, x)
    return jnp.mean((prediction - y) ** 2), (state, prediction)


@partial(jax.jit, donate_argnums=0)
def update(
    learning: Learning, x: jax.Array, y: jax.Array, state: jax.Array
) -> tuple[Learning, jax.Array, jax.Array, jax.Array]:
    """One update: what has learned, the state to go on from, the loss and the prediction."""
    weights, first, second, step = learning
    (loss, (state, prediction)), gradient = jax.value_and_grad(loss_of, has_aux=True)(weights, x, y, state)
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradient)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradient)
    rate, root = LEARNING_RATE / (1 - BETA1**step), jnp.sqrt(1 - BETA2**step)
    weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) / root + EPSILON), weights, first, second)
    return Learning(weights, first, second, step + 1), state, loss, prediction


def losses(weights: Tree, count: int) -> list[float]:
    """The losses of a network that begins with these weights, over that many chunks."""
    learning, state, shown = begun(weights), jnp.zeros(HIDDEN), []
    for x, y in chunks(count):
        learning, state, loss, _ = update(learning, x, y, state)
        shown.append(float(loss))
    return shown


def updates(count: int) -> float:
    """Make a new network learn from `count` chunks. Returns the seconds that took."""
    learning, state = begun(drawn()), jnp.zeros(HIDDEN)
    began = perf_counter()
    for x, y in chunks(count):
        learning, state, _, prediction = update(learning, x, y, state)
        np.asarray(prediction)  # what it would plot
    return perf_counter() - began


if __name__ == "__main__":
    updates(50)  # all three lengths are compiled
    answer(lambda line: updates(int(line)))
