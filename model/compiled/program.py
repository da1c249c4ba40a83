"""CompiledProgram: a network whose updates a kernel makes."""

import math
from time import perf_counter
from typing import Any

import numpy as np
from jaxtyping import Float

from model.checkpoint import MOMENTS, Tensors
from model.compiled.layout import layout
from model.compiled.machine_code import kernel, versions
from model.compiled.room import NOT_FINITE_LOSS, Plan, Room, plan
from model.network import Network
from model.optimizer import BETA1, BETA2
from model.program import NotFinite, Outcome, Task, finite
from model.recipe import Recipe

_ROOMS = {np.float32: Room(np.float32), np.float64: Room(np.float64)}


class CompiledProgram:
    """A `Program` that is one compiled function. It builds no graph, so the view `graph` shows nothing.

    Args:
        dtype: float64 is for tests against the tutorial.
    """

    def __init__(self, recipe: Recipe, network: Network, dtype: type[np.floating[Any]] = np.float32) -> None:
        self.cell = recipe.cell
        self.text = str(network)
        self.parameters = network.parameter_count()
        self.versions = versions()
        self.steps = 0
        self._layout = layout(recipe.cell, recipe.hidden_size)
        self._kernel = kernel(recipe.cell, "float64" if dtype is np.float64 else "float32")
        self._room = _ROOMS[dtype]
        self._adam = recipe.optimizer == "adam"
        self._rows = np.zeros((1 + len(MOMENTS) * self._adam, self._layout.size), dtype)
        self._address = self._rows.ctypes.data
        for name, weight in network.arrays().items():
            self._layout.write(self._rows[0], name, weight)

    def run(self, task: Task) -> Outcome:
        """As `Program.run` says."""
        views, rate = task.views, task.learning_rate
        streams, times = task.input.shape
        learns = rate is not None
        made = plan(
            self.cell,
            self._layout,
            streams,
            times,
            len(self._rows),
            task.state is not None,
            learns,
            learns or "gradient" in views,
            "hidden" in views,
            "after" in views,
        )
        room = self._room.fits(made.numbers)
        room[made.x] = task.input.reshape(-1)
        room[made.target] = task.target.reshape(-1)
        if task.state is not None:
            room[made.start] = task.state.reshape(-1)
        began = perf_counter()
        loss = self._kernel(made.address, *self._rates(rate), self._address, self._room.address)
        spent = {"run": 1e3 * (perf_counter() - began)}
        if loss < 0:
            raise NotFinite("loss" if loss == NOT_FINITE_LOSS else self._first_not_finite(made, room))
        self.steps += learns
        shown: dict[str, Any] = {}
        if "hidden" in views:
            shown["hidden"] = room[made.hidden].reshape(streams, times, -1).astype(np.float32)
        if "gradient" in views:
            shown["gradient"] = finite(room[made.norms].reshape(streams, times))
        if "after" in views:
            shown["prediction_after"] = finite(room[made.after].reshape(streams, times))
        prediction = room[made.prediction].reshape(streams, times).astype(np.float32)
        return Outcome(prediction, loss, room[made.carried].reshape(made.state).copy(), spent, **shown)

    def _rates(self, rate: float | None) -> tuple[float, float]:
        """What Adam multiplies its step and its root by; SGD's rate and nothing."""
        if rate is None:
            return 0.0, 0.0
        if not self._adam:
            return rate, 0.0
        steps = self.steps + 1
        return rate / (1 - BETA1**steps), 1 / math.sqrt(1 - BETA2**steps)

    def _first_not_finite(self, made: Plan, room: Float[np.ndarray, " numbers"]) -> str:
        """The name of the first gradient, or weight, that is not finite (or whose moment is not)."""
        names, pick = list(self._layout.shapes), self._layout.pick
        (gradient,), moved = made.rows(room, "gradient"), made.rows(room, "new")[: len(self._rows)]
        for name in names:
            if not all(np.isfinite(pick(row, name)).all() for row in (gradient, *moved[1:])):
                return f"{name}.grad"
        return next(name for name in names if not np.isfinite(pick(moved[0], name)).all())

    def tensors(self) -> Tensors:
        """As `Program.tensors` says. Only float32 has a place in a checkpoint."""
        assert self._rows.dtype == np.float32
        read = self._layout.read
        tensors = {name: read(self._rows[0], name) for name in self._layout.shapes}
        if self.steps > 0:
            for name in self._layout.shapes:
                for row, moment in zip(self._rows[1:], MOMENTS, strict=False):
                    tensors[f"optimizer.{name}.{moment}"] = read(row, name)
        return tensors

    def load(self, tensors: Tensors, steps: int) -> None:
        """As `Program.load` says."""
        self.steps = steps
        for name in self._layout.shapes:
            for row, moment in zip(self._rows[1:], MOMENTS, strict=False):
                if (key := f"optimizer.{name}.{moment}") in tensors:
                    self._layout.write(row, name, tensors[key])
