"""The kernel: one update of one learner, from its chunk to its moved weights, as Numba compiles it.

Imported only where it is compiled; `machine_code` keeps what comes of it. Weights lie as `layout` says, all else as
`room` does. Padding is made of zeros and stays so: no loop needs a mask. A stream's time steps are taken one after the
other, and so are streams: nobody's numbers can depend on anybody else.

tanh and σ are taken in float64, whatever the type of the rest, as loops that become vector code: in float32 they are
right to 0.501 units in the last place.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import carray, from_dtype, njit, types  # type: ignore[attr-defined]
from numba.extending import intrinsic

from model.compiled.layout import ORDERS
from model.compiled.room import NOT_FINITE_LOSS, NOT_FINITE_MOVE, PLAN
from model.optimizer import BETA1, BETA2, EPSILON
from model.recipe import Cell

Array = Any
"""A NumPy array to Numba, of the kernel's float type where nothing else is said."""

F = TypeVar("F", bound=Callable[..., Any])


def _steps(function: F) -> F:
    """Python's operators in their order, but that a product and a sum may be one instruction."""
    return cast(F, njit(fastmath={"contract"}, error_model="numpy")(function))


def _of_one(function: F) -> F:
    """The same for a function of one number, written into the loop that calls it: that makes it a vector's."""
    return cast(F, njit(fastmath={"contract"}, error_model="numpy", inline="always")(function))


def _sums(function: F) -> F:
    """A sum in any order: as many partial sums as a vector has numbers."""
    return cast(F, njit(fastmath={"contract", "reassoc"}, error_model="numpy")(function))


def _pointer(typing: Any, numbers: Any, count: Any) -> Any:
    """The pointer `count` numbers behind `numbers`. Arrays made of pointers need no counting of who uses them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_data_type(signature.return_type.dtype)
        return builder.gep(arguments[0], [arguments[1]], source_etype=kind)

    return numbers(numbers, types.intp), generate


_beyond: Any = intrinsic(_pointer)


# ---------------------------------------------------------------- functions of one number

_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2**52: what is added to it is rounded to a whole number, in its lowest bits
_EXPONENT_OF_1 = np.int64(0x3FF0000000000000)
_C = tuple(1.0 / float(np.prod(np.arange(1, n + 1, dtype=np.float64))) for n in range(14))  # 1 / n!


@_of_one
def _power(x: float) -> tuple[float, float]:
    """2^n and exp(r) - 1, where x = n ln 2 + r and |r| <= ln 2 / 2 (Cody and Waite); for |x| up to 700."""
    shifted = x * _LOG2E + _ROUND
    n = shifted - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    scale = np.int64((np.float64(shifted).view(np.int64) << np.int64(52)) + _EXPONENT_OF_1).view(np.float64)
    p = _C[13]
    p = p * r + _C[12]
    p = p * r + _C[11]
    p = p * r + _C[10]
    p = p * r + _C[9]
    p = p * r + _C[8]
    p = p * r + _C[7]
    p = p * r + _C[6]
    p = p * r + _C[5]
    p = p * r + _C[4]
    p = p * r + _C[3]
    p = p * r + _C[2]
    return scale, p * r * r + r


@_of_one
def _tanh(x: float) -> float:
    scale, rest = _power(min(max(2.0 * x, -40.0), 40.0))
    less = scale * rest + (scale - 1.0)  # exp(2x) - 1, which loses nothing where x is small
    return less / (less + 2.0)


@_of_one
def _sigmoid(x: float) -> float:
    scale, rest = _power(min(max(-x, -700.0), 700.0))
    return 1.0 / (1.0 + (scale * rest + scale))


@_steps
def tanh(values: Array, begin: int, end: int) -> None:
    """In place."""
    for i in range(begin, end):
        values[i] = _tanh(np.float64(values[i]))


@_steps
def sigmoid(values: Array, begin: int, end: int) -> None:
    """The logistic function 1 / (1 + exp(-x)), in place."""
    for i in range(begin, end):
        values[i] = _sigmoid(np.float64(values[i]))


# ---------------------------------------------------------------- products and sums


@_steps
def _add_product(to: Array, by: Array, rows: Array, count: int, width: int) -> None:
    """`to += by @ rows`, for `count` rows; four at once, so that `to` is read and written a quarter as often."""
    j = 0
    while j + 4 <= count:
        a, b, c, d = by[j], by[j + 1], by[j + 2], by[j + 3]
        of_a, of_b, of_c, of_d = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
        for i in range(width):
            to[i] += (a * of_a[i] + b * of_b[i]) + (c * of_c[i] + d * of_d[i])
        j += 4
    while j < count:
        last, row = by[j], rows[j]
        for i in range(width):
            to[i] += last * row[i]
        j += 1


@_sums
def _dot(one: Array, other: Array, count: int) -> float:
    total: float = one[0] * other[0]
    for i in range(1, count):
        total += one[i] * other[i]
    return total


@_sums
def _square_sum(values: Array, count: int) -> float:
    total = np.float64(0)
    for i in range(count):
        total += np.float64(values[i]) * np.float64(values[i])
    return total


@_sums
def _nothing(values: Array, count: int) -> float:
    """0, or NaN where some are not finite."""
    total: float = values[0] * values.dtype.type(0)
    for i in range(1, count):
        total += values[i] * values.dtype.type(0)
    return total


# ---------------------------------------------------------------- the cells
#
# Forward: the states of all time steps, `states[0]` and `cells[0]` being those before, and what backward will want of
# each. `bias` is all of a gate's that is added at once. Backward: the gradient of the loss by what each gate comes to
# before σ or tanh, in `deltas`; `from_input` has the same for the product with the input, which is another for one of
# GRU's gates. `total` is the gradient by the hidden state of one time step, through the head and all that comes later.


@_steps
def _rnn_forward(
    times: int, units: int, padded: int, x: Array, w: Array, bias: Array, inner_bias: Array, hidden: Array,
    states: Array, cells: Array, gates: Array, inner: Array, product: Array,
) -> None:  # fmt: skip
    """h' = tanh(W x + U h + b)."""
    for t in range(times):
        now = states[t + 1]
        for i in range(padded):
            now[i] = w[i] * x[t] + bias[i]
        _add_product(now, states[t], hidden, units, padded)
        tanh(now, 0, padded)


@_steps
def _rnn_backward(
    t: int, padded: int, total: Array, later: Array, of_cell: Array,
    states: Array, cells: Array, gates: Array, inner: Array, deltas: Array, from_input: Array,
) -> None:  # fmt: skip
    one = total.dtype.type(1)
    now, delta = states[t + 1], deltas[t]
    for i in range(padded):
        delta[i] = total[i] * (one - now[i] * now[i])
        later[i] = 0


@_steps
def _gru_forward(
    times: int, units: int, padded: int, x: Array, w: Array, bias: Array, inner_bias: Array, hidden: Array,
    states: Array, cells: Array, gates: Array, inner: Array, product: Array,
) -> None:  # fmt: skip
    """PyTorch's: r, z = σ(…), n = tanh(W x + b + r (U h + c)), h' = n + z (h - n)."""
    both, width = 2 * padded, 3 * padded
    for t in range(times):
        gate, inside, before, now = gates[t], inner[t], states[t], states[t + 1]
        for i in range(width):
            product[i] = 0
        _add_product(product, before, hidden, units, width)
        for i in range(both):
            gate[i] = w[i] * x[t] + bias[i] + product[i]
        sigmoid(gate, 0, both)
        for i in range(padded):
            inside[i] = product[both + i] + inner_bias[i]
            gate[both + i] = w[both + i] * x[t] + bias[both + i] + gate[i] * inside[i]
        tanh(gate, both, width)
        for i in range(padded):
            now[i] = gate[both + i] + gate[padded + i] * (before[i] - gate[both + i])


@_steps
def _gru_backward(
    t: int, padded: int, total: Array, later: Array, of_cell: Array,
    states: Array, cells: Array, gates: Array, inner: Array, deltas: Array, from_input: Array,
) -> None:  # fmt: skip
    one = total.dtype.type(1)
    both = 2 * padded
    gate, inside, before, delta, by_input = gates[t], inner[t], states[t], deltas[t], from_input[t]
    for i in range(padded):
        reset, update, new = gate[i], gate[padded + i], gate[both + i]
        to_new = total[i] * (one - update) * (one - new * new)
        delta[i] = to_new * inside[i] * reset * (one - reset)
        delta[padded + i] = total[i] * (before[i] - new) * update * (one - update)
        delta[both + i] = to_new * reset
        by_input[i], by_input[padded + i], by_input[both + i] = delta[i], delta[padded + i], to_new
        later[i] = total[i] * update


@_steps
def _lstm_forward(
    times: int, units: int, padded: int, x: Array, w: Array, bias: Array, inner_bias: Array, hidden: Array,
    states: Array, cells: Array, gates: Array, inner: Array, product: Array,
) -> None:  # fmt: skip
    """PyTorch's: i, f, o = σ(…), g = tanh(…), c' = f c + i g, h' = o tanh(c')."""
    width = 4 * padded
    for t in range(times):
        gate, squashed, now = gates[t], inner[t], states[t + 1]
        for i in range(width):
            gate[i] = w[i] * x[t] + bias[i]
        _add_product(gate, states[t], hidden, units, width)
        sigmoid(gate, 0, 3 * padded)
        tanh(gate, 3 * padded, width)
        for i in range(padded):
            cells[t + 1, i] = gate[padded + i] * cells[t, i] + gate[i] * gate[3 * padded + i]
            squashed[i] = cells[t + 1, i]
        tanh(squashed, 0, padded)
        for i in range(padded):
            now[i] = gate[2 * padded + i] * squashed[i]


@_steps
def _lstm_backward(
    t: int, padded: int, total: Array, later: Array, of_cell: Array,
    states: Array, cells: Array, gates: Array, inner: Array, deltas: Array, from_input: Array,
) -> None:  # fmt: skip
    one = total.dtype.type(1)
    gate, squashed, delta = gates[t], inner[t], deltas[t]
    for i in range(padded):
        into, forget, out, new = gate[i], gate[padded + i], gate[2 * padded + i], gate[3 * padded + i]
        cell = of_cell[i] + total[i] * out * (one - squashed[i] * squashed[i])
        delta[i] = cell * new * into * (one - into)
        delta[padded + i] = cell * cells[t, i] * forget * (one - forget)
        delta[2 * padded + i] = total[i] * squashed[i] * out * (one - out)
        delta[3 * padded + i] = cell * into * (one - new * new)
        of_cell[i] = cell * forget
        later[i] = 0


# ---------------------------------------------------------------- the optimisers


@_steps
def _adam(old: Array, new: Array, gradient: Array, size: int, by_rate: float, by_root: float) -> None:
    """Adam's step (Kingma and Ba, 2015) as PyTorch takes it: weights, means of gradients and of squares."""
    kind = gradient.dtype.type
    share, keep, square_share, least = kind(1 - BETA1), kind(BETA2), kind(1 - BETA2), kind(EPSILON)
    rate, root = kind(by_rate), kind(by_root)
    for i in range(size):
        mean = old[1, i] + (gradient[i] - old[1, i]) * share
        square = old[2, i] * keep + (square_share * gradient[i]) * gradient[i]
        new[1, i] = mean
        new[2, i] = square
        new[0, i] = old[0, i] - rate * (mean / (np.sqrt(square) * root + least))


@_steps
def _sgd(old: Array, new: Array, gradient: Array, size: int, rate: float) -> None:
    step = gradient.dtype.type(rate)
    for i in range(size):
        new[0, i] = old[0, i] - step * gradient[i]


# ---------------------------------------------------------------- an update


def signature(kind: Any) -> Any:
    """What the kernel of one float type is called with: a plan, two rates, the network's rows, and a room."""
    pointer: Any = types.CPointer
    numbers = pointer(kind)
    return types.float64(pointer(from_dtype(PLAN)), types.float64, types.float64, numbers, numbers)


def kernel(cell: Cell) -> Any:
    """The function of a cell, for Numba to compile.

    It returns the chunk's loss, or a number below 0 where something is not finite: then nothing has moved. All arrays
    are parts of the room, as its plan says, but for the network's rows.
    """
    forward = {"rnn": _rnn_forward, "gru": _gru_forward, "lstm": _lstm_forward}[cell]
    backward = {"rnn": _rnn_backward, "gru": _gru_backward, "lstm": _lstm_backward}[cell]
    count = len(ORDERS[cell])
    gru, lstm = cell == "gru", cell == "lstm"

    @_steps
    def predict(at: Any, rows: Any, room: Any, stream: int, shown: int) -> None:
        """Run a stream's chunk through the network; its states are in the room then, its predictions at `shown`."""
        padded, times, units = at.padded, at.times, at.units
        width = count * padded
        hidden = carray(rows, (padded, width))
        w = carray(_beyond(rows, padded * width), width)
        input_bias = carray(_beyond(rows, (padded + 1) * width), width)
        hidden_bias = carray(_beyond(rows, (padded + 2) * width), width)
        out = carray(_beyond(rows, (padded + 3) * width), padded + 1)  # and its bias
        inner_bias = carray(_beyond(rows, (padded + 3) * width - padded), padded)
        bias = carray(_beyond(room, at.bias), width)
        for i in range(width):
            bias[i] = input_bias[i] + hidden_bias[i]
        if gru:
            for i in range(2 * padded, width):
                bias[i] = input_bias[i]
        states = carray(_beyond(room, at.states + stream * (times + 1) * padded), (times + 1, padded))
        cells = carray(_beyond(room, at.cells + stream * (times + 1) * padded), (times + 1, padded))
        for i in range(padded):
            states[0, i] = cells[0, i] = 0
        if at.has_state:
            start = carray(_beyond(room, at.start + stream * units), units)
            for i in range(units):
                states[0, i] = start[i]
            if lstm:
                cell_start = carray(_beyond(room, at.start + (at.streams + stream) * units), units)
                for i in range(units):
                    cells[0, i] = cell_start[i]
        x = carray(_beyond(room, at.x + stream * times), times)
        gates = carray(_beyond(room, at.gates), (times, width))
        inner = carray(_beyond(room, at.inner), (times, padded))
        product = carray(_beyond(room, at.product), width)
        forward(times, units, padded, x, w, bias, inner_bias, hidden, states, cells, gates, inner, product)
        prediction = carray(_beyond(room, shown + stream * times), times)
        for t in range(times):
            prediction[t] = _dot(states[t + 1], out, padded) + out[padded]

    @_steps
    def go_back(at: Any, rows: Any, room: Any, stream: int) -> None:
        """Add a stream's part to the gradient of the weights, and note the norms of that by its states."""
        padded, times, units = at.padded, at.times, at.units
        width = count * padded
        out = carray(_beyond(rows, (padded + 3) * width), padded)
        of_hidden = carray(_beyond(room, at.gradient), (padded, width))
        of_w = carray(_beyond(room, at.gradient + padded * width), width)
        of_input_bias = carray(_beyond(room, at.gradient + (padded + 1) * width), width)
        of_hidden_bias = carray(_beyond(room, at.gradient + (padded + 2) * width), width)
        of_out = carray(_beyond(room, at.gradient + (padded + 3) * width), padded + 1)
        states = carray(_beyond(room, at.states + stream * (times + 1) * padded), (times + 1, padded))
        cells = carray(_beyond(room, at.cells + stream * (times + 1) * padded), (times + 1, padded))
        gates = carray(_beyond(room, at.gates), (times, width))
        inner = carray(_beyond(room, at.inner), (times, padded))
        deltas = carray(_beyond(room, at.deltas), (times, width))
        from_input = carray(_beyond(room, at.from_input if gru else at.deltas), (times, width))
        back = carray(_beyond(room, at.back), (width, padded))
        error = carray(_beyond(room, at.error), times)
        later = carray(_beyond(room, at.later), padded)
        of_cell = carray(_beyond(room, at.of_cell), padded)
        total = carray(_beyond(room, at.total), padded)
        x = carray(_beyond(room, at.x + stream * times), times)
        norms = carray(_beyond(room, at.norms + stream * times), times)
        for i in range(padded):
            later[i] = of_cell[i] = 0
        for t in range(times - 1, -1, -1):
            for i in range(padded):
                total[i] = later[i] + error[t] * out[i]
            norms[t] = np.sqrt(_square_sum(total, padded))
            backward(t, padded, total, later, of_cell, states, cells, gates, inner, deltas, from_input)
            _add_product(later, deltas[t], back, width, padded)
        for t in range(times):
            by_input, by_hidden, now = from_input[t], deltas[t], states[t + 1]
            for i in range(width):
                of_w[i] += x[t] * by_input[i]
                of_input_bias[i] += by_input[i]
            for i in range(width):
                of_hidden_bias[i] += by_hidden[i]
            for i in range(padded):
                of_out[i] += error[t] * now[i]
            of_out[padded] += error[t]
        for j in range(units):
            _add_product(of_hidden[j], states[:, j], deltas, times, width)

    @_steps
    def leave(at: Any, room: Any, stream: int, states: int, carried: int) -> None:
        """Leave a stream's newest state where it is looked for, without padding."""
        newest = carray(_beyond(room, states + (stream * (at.times + 1) + at.times) * at.padded), at.units)
        to = carray(_beyond(room, carried + stream * at.units), at.units)
        for i in range(at.units):
            to[i] = newest[i]

    @_steps
    def show(at: Any, room: Any, stream: int) -> None:
        """Leave a stream's hidden states where they are looked for, without padding."""
        states = carray(_beyond(room, at.states + stream * (at.times + 1) * at.padded), (at.times + 1, at.padded))
        to = carray(_beyond(room, at.hidden + stream * at.times * at.units), (at.times, at.units))
        for t in range(at.times):
            for i in range(at.units):
                to[t, i] = states[t + 1, i]

    @_steps
    def learn(at: Any, rows: Any, room: Any, by_rate: float, by_root: float) -> bool:
        """Move the weights, where all that comes of it is finite; whether it was."""
        old = carray(rows, (at.kinds, at.size))
        new = carray(_beyond(room, at.new), (at.kinds, at.size))
        gradient = carray(_beyond(room, at.gradient), at.size)
        if at.kinds == 3:
            _adam(old, new, gradient, at.size, by_rate, by_root)
        else:
            _sgd(old, new, gradient, at.size, by_rate)
        odd = _nothing(gradient, at.size)
        for kind in range(at.kinds):
            odd += _nothing(new[kind], at.size)
        if odd != 0:
            return False
        for kind in range(at.kinds):
            to, moved = old[kind], new[kind]
            for i in range(at.size):
                to[i] = moved[i]
        return True

    def update(plan: Any, by_rate: float, by_root: float, rows: Any, room: Any) -> float:
        at = carray(plan, 1)[0]
        padded, times = at.padded, at.times
        width, samples = count * padded, at.streams * times
        gradient = carray(_beyond(room, at.gradient), at.size)
        error = carray(_beyond(room, at.error), times)
        number = error.dtype.type
        if at.goes_back:
            for i in range(at.size):
                gradient[i] = 0
            hidden = carray(rows, (padded, width))
            back = carray(_beyond(room, at.back), (width, padded))
            for j in range(padded):
                for i in range(width):
                    back[i, j] = hidden[j, i]
        loss = 0.0
        for stream in range(at.streams):
            predict(at, rows, room, stream, at.prediction)
            prediction = carray(_beyond(room, at.prediction + stream * times), times)
            target = carray(_beyond(room, at.target + stream * times), times)
            for t in range(times):
                away = prediction[t] - target[t]
                loss += np.float64(away) * np.float64(away)
                error[t] = away * number(2.0 / samples)
            leave(at, room, stream, at.states, at.carried)
            if lstm:
                leave(at, room, stream, at.cells, at.carried + at.streams * at.units)
            if at.shows_hidden:
                show(at, room, stream)
            if at.goes_back:
                go_back(at, rows, room, stream)
        loss = np.float64(number(loss / samples))
        if not np.isfinite(loss):
            return NOT_FINITE_LOSS
        if at.learns and not learn(at, rows, room, by_rate, by_root):
            return NOT_FINITE_MOVE
        if at.shows_after:
            for stream in range(at.streams):
                predict(at, rows, room, stream, at.after)
        return loss

    return update
