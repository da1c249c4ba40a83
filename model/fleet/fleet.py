"""Fleet: many networks that learn together, each from a chunk of its own, without knowing of each other.

Networks of one architecture share a slab: one row each, weights and moments, padded to whole vectors of 16 numbers. A
tick gathers the rows of all that are due, whatever their lengths, rates and switches, runs them side by side, and puts
back what is finite. Every operation is one of numpy's that treats each learner, or each number, for itself; so the
same chunk gives the same bits in any company and at any place in it.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import groupby
from operator import attrgetter
from time import perf_counter
from typing import Any
from weakref import finalize

import numpy as np
import torch
from jaxtyping import Float, Float32

from model.checkpoint import MOMENTS, Tensors
from model.fleet.cells import CELLS, Tape, Weights
from model.network import Network, count_nodes, tensor_shapes
from model.optimizer import BETA1, BETA2, EPSILON
from model.program import NotFinite, Outcome, StateArray, Task, finite
from model.recipe import Cell, Recipe

VECTOR = 16
"""Every size is padded to a multiple of so many numbers."""

TILE_LEARNERS = 64
"""Learners that are computed side by side at the most."""

TILE_NUMBERS = 2**18
"""Numbers in a tile's arrays at the most, a megabyte of float32: what is worked on should stay in cache."""

Rows = Float[np.ndarray, "learners kinds numbers"]


class Fleet:
    """Networks of any architecture. All but `Seat`'s end is for one thread.

    Args:
        dtype: float64 is for tests against the tutorial.
    """

    def __init__(self, dtype: type[np.floating[Any]] = np.float32) -> None:
        self._dtype = dtype
        self._slabs: dict[tuple[Cell, int, bool], Slab] = {}
        self._left: deque[tuple[Slab, Place]] = deque()  # seats end on any thread, so they only leave a note

    def join(self, recipe: Recipe, network: Network) -> "Seat":
        """Take in a network; it leaves when nobody holds its seat."""
        self._let_go()
        layout = _layout(recipe.cell, recipe.hidden_size)
        adam = recipe.optimizer == "adam"
        key = (recipe.cell, layout.padded, adam)
        slab = self._slabs.get(key)
        if slab is None:
            slab = self._slabs[key] = Slab(1 + len(MOMENTS) * adam, layout.size, self._dtype)
        seat = Seat(self, slab, slab.take(), layout, network)
        finalize(seat, self._left.append, (slab, seat.place)).atexit = False
        return seat

    @property
    def slabs(self) -> Sequence["Slab"]:
        """The slabs: one for each architecture and optimiser that somebody trains."""
        return tuple(self._slabs.values())

    def run_together(self, asked: Sequence[tuple["Seat", Task]]) -> list[Outcome | NotFinite]:
        """As `Company.run_together` says. What is not finite has moved nothing."""
        self._let_go()
        jobs = [_Job(seat, task) for seat, task in asked]
        outcomes: dict[int, Outcome | NotFinite] = {}
        for tile in _tiles(jobs):
            with np.errstate(all="ignore"):  # what overflows is found out, and only its own learner stops
                outcomes |= zip(map(id, tile), _Tile(tile, self._dtype).run(), strict=True)
        return [outcomes[id(job)] for job in jobs]

    def _let_go(self) -> None:
        while self._left:
            slab, place = self._left.popleft()
            slab.give_back(place)
            if not slab.places:
                self._slabs = {key: other for key, other in self._slabs.items() if other is not slab}


@dataclass(eq=False)
class Place:
    """Which row of a slab is a seat's. It moves when another leaves."""

    row: int


class Slab:
    """Rows of one kind, close together: whoever leaves is replaced by the last one."""

    def __init__(self, kinds: int, size: int, dtype: type[np.floating[Any]]) -> None:
        self.rows: Rows = np.zeros((1, kinds, size), dtype)
        self.places: list[Place] = []

    def take(self) -> Place:
        """A row of zeros. Its cost does not grow with the slab, but for a doubling now and then."""
        if len(self.places) == len(self.rows):
            self._resize(2 * len(self.rows))
        place = Place(len(self.places))
        self.places.append(place)
        self.rows[place.row] = 0
        return place

    def give_back(self, place: Place) -> None:
        last = self.places.pop()
        if last is not place:
            self.rows[place.row] = self.rows[last.row]
            self.places[place.row] = last
            last.row = place.row
        if 4 * len(self.places) <= len(self.rows):
            self._resize(max(1, len(self.rows) // 2))

    def _resize(self, count: int) -> None:
        rows = np.zeros((count, *self.rows.shape[1:]), self.rows.dtype)
        rows[: len(self.places)] = self.rows[: len(self.places)]
        self.rows = rows


class _Layout:
    """Where in a row each tensor of a network lies."""

    def __init__(self, cell: Cell, hidden_size: int) -> None:
        self.maths = CELLS[cell]
        self.units = hidden_size
        self.padded = -(-hidden_size // VECTOR) * VECTOR
        self.shapes = tensor_shapes(cell, hidden_size)
        gates = len(self.maths.order)
        self._parts: dict[str, tuple[slice, tuple[int, ...]]] = {}
        self.size = 0
        for name, shape in (
            ("rnn.weight_hh_l0", (self.padded, gates, self.padded)),
            ("rnn.weight_ih_l0", (gates, self.padded)),
            ("rnn.bias_ih_l0", (gates, self.padded)),
            ("rnn.bias_hh_l0", (gates, self.padded)),
            ("out.weight", (self.padded,)),
            ("out.bias", (VECTOR,)),
        ):
            self._parts[name] = slice(self.size, self.size + int(np.prod(shape))), shape
            self.size = self._parts[name][0].stop

    def pick(self, rows: Float[np.ndarray, "... numbers"], name: str) -> Float[np.ndarray, "..."]:
        """A view of one tensor of each row, padded; gates have an axis of their own."""
        part, shape = self._parts[name]
        return rows[..., part].reshape(*rows.shape[:-1], *shape)

    def weights(self, rows: Float[np.ndarray, "learners numbers"]) -> Weights:
        """The weights in these rows, as views of them."""
        hidden, input, input_bias, hidden_bias, out, out_bias = (self.pick(rows, name) for name in self._parts)
        count = len(rows)
        return Weights(
            hidden.reshape(count, self.padded, -1),
            input.reshape(count, -1),
            input_bias.reshape(count, -1),
            hidden_bias.reshape(count, -1),
            out,
            out_bias[:, 0],
        )

    def write(self, row: Float[np.ndarray, " numbers"], name: str, tensor: Float[np.ndarray, "..."]) -> None:
        """Put one of PyTorch's tensors into a row."""
        inside, order = self._inside(row, name), list(self.maths.order)
        if name == "rnn.weight_hh_l0":
            inside[...] = tensor.reshape(-1, self.units, self.units)[order].transpose(2, 0, 1)
        elif name.startswith("rnn"):
            inside[...] = tensor.reshape(-1, self.units)[order]
        else:
            inside[...] = tensor.reshape(-1)

    def read(self, row: Float[np.ndarray, " numbers"], name: str) -> Float[np.ndarray, "..."]:
        """A copy of one of PyTorch's tensors, from a row."""
        inside, order = self._inside(row, name), np.argsort(self.maths.order)
        if name == "rnn.weight_hh_l0":
            inside = inside.transpose(1, 2, 0)[order]
        elif name.startswith("rnn"):
            inside = inside[order]
        return inside.reshape(self.shapes[name]).copy()

    def _inside(self, row: Float[np.ndarray, " numbers"], name: str) -> Float[np.ndarray, "..."]:
        """A view of a tensor without its padding."""
        padded = self.pick(row, name)
        if name == "out.bias":
            return padded[:1]
        inside = padded[..., : self.units]
        return inside[: self.units] if name == "rnn.weight_hh_l0" else inside


@cache
def _layout(cell: Cell, hidden_size: int) -> _Layout:
    """The layout of an architecture, of which there are a few hundred."""
    return _Layout(cell, hidden_size)


class Seat:
    """One network's place in a fleet: a `Program`."""

    def __init__(self, fleet: Fleet, slab: Slab, place: Place, layout: _Layout, network: Network) -> None:
        self.fleet = fleet
        self.slab = slab
        self.place = place
        self.layout = layout
        self.cell = network.cell
        self.text = str(network)
        self.parameters = network.parameter_count()
        self.versions: dict[str, str] = {}  # what every checkpoint names is all
        self.steps = 0
        for name, weight in network.arrays().items():
            layout.write(self._row[0], name, weight)

    @property
    def _row(self) -> Float[np.ndarray, "kinds numbers"]:
        row: Float[np.ndarray, "kinds numbers"] = self.slab.rows[self.place.row]
        return row

    @property
    def company(self) -> Fleet:
        return self.fleet

    def run(self, task: Task) -> Outcome:
        """As `Program.run` says."""
        (outcome,) = self.fleet.run_together([(self, task)])
        if isinstance(outcome, NotFinite):
            raise outcome
        return outcome

    def tensors(self) -> Tensors:
        """As `Program.tensors` says. Only float32 has a place in a checkpoint."""
        row = self._row
        assert row.dtype == np.float32
        tensors = {name: self.layout.read(row[0], name) for name in self.layout.shapes}
        if self.steps > 0:
            for name in self.layout.shapes:
                for kind, moment in zip(row[1:], MOMENTS, strict=False):
                    tensors[f"optimizer.{name}.{moment}"] = self.layout.read(kind, name)
        return tensors

    def load(self, tensors: Tensors, steps: int) -> None:
        """As `Program.load` says."""
        self.steps = steps
        for name in self.layout.shapes:
            for kind, moment in zip(self._row[1:], MOMENTS, strict=False):
                if (key := f"optimizer.{name}.{moment}") in tensors:
                    self.layout.write(kind, name, tensors[key])


class _Job:
    """A seat's task."""

    def __init__(self, seat: Seat, task: Task) -> None:
        self.seat = seat
        self.task = task
        self.streams, self.length = task.input.shape
        self.kind = (id(seat.slab), self.streams, task.learning_rate is not None)
        """Jobs of one kind can be run side by side."""


def _tiles(jobs: Sequence[_Job]) -> Iterator[list[_Job]]:
    """Jobs that can be run side by side: of one slab, with as many streams; the longest chunks first."""
    for _, alike in groupby(sorted(jobs, key=lambda job: (*job.kind, -job.length)), attrgetter("kind")):
        waiting = deque(alike)
        while waiting:
            longest = waiting[0]
            layout = longest.seat.layout
            numbers = longest.length * longest.streams * layout.padded * len(layout.maths.order)
            most = min(len(waiting), TILE_LEARNERS, max(1, TILE_NUMBERS // numbers))
            yield [waiting.popleft() for _ in range(most)]


@dataclass
class _Span:
    """Neighbours in a tile with chunks of one length. Rows of arrays are learners; columns, streams' time steps."""

    learners: slice
    length: int
    hidden: Float[np.ndarray, "learners times units"]
    before: Float[np.ndarray, "learners times units"]
    x: Float[np.ndarray, "learners times"]
    of_output: Float[np.ndarray, "learners times"] = field(default_factory=lambda: np.empty((0, 0)))


class _Tile:
    """Jobs side by side, from chunks to outcomes."""

    def __init__(self, jobs: list[_Job], dtype: type[np.floating[Any]]) -> None:
        self._jobs = jobs
        self._dtype = dtype
        self._streams = jobs[0].streams
        self._layout = layout = jobs[0].seat.layout
        self._maths = layout.maths
        self._slab = jobs[0].seat.slab
        self._places = [job.seat.place.row for job in jobs]
        self._rows: Rows = self._slab.rows[self._places]
        self._weights = layout.weights(self._rows[:, 0])
        self._learns = jobs[0].task.learning_rate is not None
        lengths = [job.length for job in jobs]
        self._active = _active(lengths)
        shape = (lengths[0], len(jobs), self._streams)
        self._x, self._target = np.zeros(shape, dtype), np.zeros(shape, dtype)
        self._start = np.zeros((self._maths.parts, *shape[1:], layout.padded), dtype)
        for at, job in enumerate(jobs):
            self._x[: job.length, at] = job.task.input.T
            self._target[: job.length, at] = job.task.target.T
            if job.task.state is not None:
                self._start[:, at, :, : job.seat.layout.units] = job.task.state

    def run(self) -> list[Outcome | NotFinite]:
        """One outcome for each job."""
        jobs, share = self._jobs, 1e3 / len(self._jobs)
        began = perf_counter()
        tape = self._maths.forward(self._weights, self._x, self._start, self._active)
        spans = list(self._spans(tape))
        predictions, losses = self._read_off(spans)
        forward = perf_counter()
        gradient = None
        bad: dict[int, str] = {at: "loss" for at, loss in enumerate(losses) if not np.isfinite(loss)}
        backward = forward
        if self._learns or any("gradient" in job.task.views for job in jobs):
            gradient = self._spread(spans, tape)
            deltas = self._maths.backward(self._weights, tape, gradient, self._active)
            if self._learns:
                gradients = self._gradients(spans, deltas)
                backward = perf_counter()
                self._move(gradients, bad)
        spent = {
            "forward": (forward - began) * share,
            "backward": (backward - forward) * share,
            "optimizer": (perf_counter() - backward) * share if self._learns else 0.0,
        }
        after = self._predictions_after(bad)
        return [
            NotFinite(bad[at])
            if at in bad
            else Outcome(
                predictions[at],
                losses[at],
                self._carried(tape, at),
                spent,
                **self._shown(tape, gradient, at),
                prediction_after=after.get(at),
            )
            for at in range(len(jobs))
        ]

    def _spans(self, tape: Tape) -> Iterator[_Span]:
        begin = 0
        for length, alike in groupby(self._jobs, lambda job: job.length):
            learners = slice(begin, begin + len(list(alike)))
            begin = learners.stop
            hidden, before = (
                self._by_learner(tape.states[first : first + length, learners], length) for first in (1, 0)
            )
            yield _Span(learners, length, hidden, before, self._by_learner(self._x[:length, learners], length))

    def _by_learner(self, values: Float[np.ndarray, "..."], length: int) -> Float[np.ndarray, "..."]:
        """Values with the axis of learners first, and a learner's time steps of all streams in one axis."""
        return np.ascontiguousarray(values.swapaxes(0, 1)).reshape(
            values.shape[1], length * self._streams, *values.shape[3:]
        )

    def _read_off(self, spans: Sequence[_Span]) -> tuple[list[Float32[np.ndarray, "streams time"]], list[float]]:
        """Predictions and losses, by the head. Notes in each span the gradient of the loss by its outputs."""
        predictions: list[Float32[np.ndarray, "streams time"]] = []
        losses: list[float] = []
        for span in spans:
            outputs = np.matmul(span.hidden, self._weights.out[span.learners, :, None])[:, :, 0]
            outputs += self._weights.out_bias[span.learners, None]
            error = outputs - self._by_learner(self._target[: span.length, span.learners], span.length)
            count = error.shape[1]
            losses += (np.vecdot(error, error) / count).tolist()
            span.of_output = error * self._dtype(2 / count)
            by_stream = outputs.reshape(len(outputs), span.length, self._streams).swapaxes(1, 2)
            predictions += list(np.ascontiguousarray(by_stream, np.float32))
        return predictions, losses

    def _spread(self, spans: Sequence[_Span], tape: Tape) -> Float[np.ndarray, "time learners streams units"]:
        """The gradient of the loss by each hidden state, through the head."""
        gradient = np.empty_like(tape.states[1:])
        for span in spans:
            by_time = span.of_output.reshape(-1, span.length, self._streams).swapaxes(0, 1)
            out = self._weights.out[span.learners, None]
            np.multiply(by_time[..., None], out, out=gradient[: span.length, span.learners])
        return gradient

    def _gradients(
        self, spans: Sequence[_Span], deltas: tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]
    ) -> Float[np.ndarray, "learners numbers"]:
        """The gradients of the weights, in rows like theirs."""
        gradients = np.zeros_like(self._rows[:, 0])
        of = self._layout.weights(gradients)
        of_input, of_hidden = deltas
        for span in spans:
            at = span.learners
            ones = np.ones_like(span.x)
            by_input = self._by_learner(of_input[: span.length, at], span.length)
            both = np.matmul(np.stack([span.x, ones], 1), by_input)
            of.input[at], of.input_bias[at] = both[:, 0], both[:, 1]
            if of_hidden is of_input:
                by_hidden = by_input
                of.hidden_bias[at] = both[:, 1]
            else:
                by_hidden = self._by_learner(of_hidden[: span.length, at], span.length)
                of.hidden_bias[at] = np.matmul(ones[:, None], by_hidden)[:, 0]
            np.matmul(span.before.transpose(0, 2, 1), by_hidden, out=of.hidden[at])
            of.out[at] = np.matmul(span.of_output[:, None], span.hidden)[:, 0]
            of.out_bias[at] = span.of_output.sum(1)
        return gradients

    def _move(self, gradients: Float[np.ndarray, "learners numbers"], bad: dict[int, str]) -> None:
        """The optimiser's step, put back for those where all of it is finite; the others are noted in `bad`."""
        rows = self._rows
        rates = np.array([job.task.learning_rate for job in self._jobs])
        if rows.shape[1] > 1:
            steps = np.array([job.seat.steps + 1 for job in self._jobs])
            _adam(rows, gradients, rates, steps)
        else:
            rows[:, 0] -= rates.astype(self._dtype)[:, None] * gradients
        # one sum tells in the common case; it also overflows for numbers that are merely large, so then look
        sums = rows.reshape(len(rows), -1).sum(1) + gradients.sum(1)
        for at in np.flatnonzero(~np.isfinite(sums)).tolist():
            if at not in bad and (name := self._first_not_finite(rows[at], gradients[at])):
                bad[at] = name
        good = [at for at in range(len(rows)) if at not in bad]
        self._slab.rows[[self._places[at] for at in good]] = rows[good] if bad else rows
        for at in good:
            self._jobs[at].seat.steps += 1

    def _first_not_finite(
        self, row: Float[np.ndarray, "kinds numbers"], gradient: Float[np.ndarray, " numbers"]
    ) -> str | None:
        names = list(self._layout.shapes)
        for name in names:
            if not all(np.isfinite(self._layout.pick(part, name)).all() for part in (gradient, *row[1:])):
                return f"{name}.grad"
        return next((name for name in names if not np.isfinite(self._layout.pick(row[0], name)).all()), None)

    def _carried(self, tape: Tape, at: int) -> StateArray:
        job = self._jobs[at]
        units = job.seat.layout.units
        carried = np.empty((len(tape.carried), self._streams, units), self._dtype)
        for part, states in zip(carried, tape.carried, strict=True):
            part[...] = states[job.length, at, :, :units]
        return carried

    def _shown(self, tape: Tape, gradient: Float[np.ndarray, "..."] | None, at: int) -> dict[str, Any]:
        """The parts of an outcome that a job's views ask for."""
        job = self._jobs[at]
        shown: dict[str, Any] = {}
        if not job.task.views:
            return shown
        units = job.seat.layout.units
        if "hidden" in job.task.views:
            hidden = tape.states[1 : job.length + 1, at, :, :units]
            shown["hidden"] = np.ascontiguousarray(hidden.swapaxes(0, 1), np.float32)
        if "gradient" in job.task.views:
            assert gradient is not None
            total = gradient[: job.length, at].astype(np.float64)
            shown["gradient"] = finite(np.linalg.vector_norm(total, axis=-1).T)
        if "graph" in job.task.views:
            shown["nodes"] = _nodes(job.seat.cell, units, job.streams, job.length)
        return shown

    def _predictions_after(self, bad: dict[int, str]) -> dict[int, Float32[np.ndarray, "streams time"]]:
        """Predictions made again, now that the weights have moved, of those that show them."""
        asked = [at for at, job in enumerate(self._jobs) if "after" in job.task.views and at not in bad]
        if not asked:
            return {}
        weights = self._layout.weights(self._slab.rows[[self._places[at] for at in asked], 0])
        active = _active([self._jobs[at].length for at in asked])
        x = self._x[: len(active), asked]
        states = self._maths.forward(weights, x, self._start[:, asked], active).states[1:]
        outputs = np.matmul(states, weights.out[:, :, None])[..., 0] + weights.out_bias[:, None]
        return {at: finite(outputs[: self._jobs[at].length, i].T) for i, at in enumerate(asked)}


def _active(lengths: Sequence[int]) -> list[int]:
    """How many chunks there still are at each time step, of lengths that never rise."""
    active: list[int] = []
    for count in range(len(lengths), 0, -1):
        active += [count] * (lengths[count - 1] - len(active))
    return active


def _adam(
    rows: Rows,
    gradients: Float[np.ndarray, "learners numbers"],
    rates: Float[np.ndarray, " learners"],
    steps: Any,
) -> None:
    """Adam's step (Kingma and Ba, 2015) as PyTorch takes it, in place: weights, means of gradients and of squares."""
    weights, means, squares = rows[:, 0], rows[:, 1], rows[:, 2]
    kind = rows.dtype.type
    by_rate = (rates / (1 - BETA1**steps)).astype(kind)[:, None]
    by_root = (1 / np.sqrt(1 - BETA2**steps)).astype(kind)[:, None]
    means += (gradients - means) * kind(1 - BETA1)
    squares *= kind(BETA2)
    squares += np.square(gradients) * kind(1 - BETA2)
    root = np.sqrt(squares)
    root *= by_root
    root += kind(EPSILON)
    move = np.divide(means, root, out=root)
    move *= by_rate
    weights -= move


@lru_cache(maxsize=4096)
def _nodes(cell: Cell, hidden_size: int, streams: int, length: int) -> int:
    """How many nodes autograd needs for such a chunk: those of the reference network, which is built for it."""
    network = Network(cell, hidden_size, torch.Generator().manual_seed(0))
    prediction, _, _ = network(torch.zeros(streams, length, 1))
    return count_nodes(torch.nn.functional.mse_loss(prediction, torch.zeros_like(prediction)))
