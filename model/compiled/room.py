"""Room: the memory that kernels work in, one for each thread. What they read there, what they leave, and where."""

import threading
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from model.compiled.layout import ORDERS, Layout
from model.network import state_parts
from model.recipe import Cell

SIZES = ("streams", "times", "units", "padded", "size")
FLAGS = ("kinds", "has_state", "learns", "goes_back", "shows_hidden", "shows_after")
"""How many rows a network has, which are its weights and Adam's moments; and what is asked for, 0 or 1."""

PARTS = (
    "x", "target", "start",  # read: streams × time, twice, and the state before: parts × streams × units
    "prediction", "carried", "norms", "after", "hidden",  # left: streams × time, but for states
    "states", "cells", "gates", "inner", "product", "bias",  # forward
    "error", "deltas", "from_input", "back", "later", "of_cell", "total",  # backward
    "gradient", "new",  # rows as the network's
)  # fmt: skip
"""Where in the room each part begins, in numbers."""

PLAN = np.dtype([(name, np.int64) for name in (*SIZES, *FLAGS, *PARTS)])
"""What a kernel is told of an update."""

NOT_FINITE_LOSS, NOT_FINITE_MOVE = -1.0, -2.0
"""What a kernel returns in place of a loss."""


class Plan:
    """One shape of update: where in a room its parts lie. `address` is that of what the kernel is told, a `PLAN`."""

    def __init__(self, cell: Cell, layout: Layout, streams: int, times: int, flags: tuple[int, ...]) -> None:
        units, padded, size = layout.units, layout.padded, layout.size
        samples, gates, parts = streams * times, len(ORDERS[cell]), state_parts(cell)
        sizes = dict.fromkeys(("x", "target", "prediction", "norms", "after"), samples)
        sizes |= dict.fromkeys(("start", "carried"), parts * streams * units)
        sizes |= {"hidden": samples * units, "states": streams * (times + 1) * padded, "inner": times * padded}
        sizes |= {"cells": streams * (times + 1) * padded, "error": times, "back": gates * padded * padded}
        sizes |= dict.fromkeys(("gates", "deltas", "from_input"), times * gates * padded)
        sizes |= dict.fromkeys(("product", "bias"), gates * padded)
        sizes |= dict.fromkeys(("later", "of_cell", "total"), padded)
        sizes |= {"gradient": size, "new": 3 * size}
        self._places: dict[str, slice] = {}
        end = 0
        for name in PARTS:
            self._places[name] = slice(end, end + sizes[name])
            end += -(-sizes[name] // 16) * 16
        self.numbers = end
        begins = tuple(self._places[name].start for name in PARTS)
        self._told = np.array([(streams, times, units, padded, size, *flags, *begins)], PLAN)
        self.address = self._told.ctypes.data
        self.grid = (streams, times)
        self.state = (parts, streams, units)
        self.layout = layout
        x, target, start, prediction, carried, norms, after, hidden = (self._places[name] for name in PARTS[:8])
        self.x, self.target, self.start = x, target, start
        self.prediction, self.carried, self.norms, self.after, self.hidden = prediction, carried, norms, after, hidden

    def rows(self, room: Float[np.ndarray, " numbers"], name: str) -> Float[np.ndarray, "rows numbers"]:
        """The gradient, or the weights and moments that were to be, as the newest update left them in a room."""
        return room[self._places[name]].reshape(-1, self.layout.size)


@lru_cache(maxsize=4096)
def plan(cell: Cell, layout: Layout, streams: int, times: int, *flags: int) -> Plan:
    """The plan of a shape; `flags` are `FLAGS`."""
    return Plan(cell, layout, streams, times, flags)


class Room(threading.local):
    """This thread's memory for one type of number. It grows to the largest update that the thread has made."""

    def __init__(self, dtype: Any) -> None:
        self.numbers: Float[np.ndarray, " numbers"] = np.zeros(0, dtype)
        self.address = 0

    def fits(self, numbers: int) -> Float[np.ndarray, " numbers"]:
        """All of it: at least so many numbers."""
        if len(self.numbers) < numbers:
            self.numbers = np.zeros(numbers, self.numbers.dtype)
            self.address = self.numbers.ctypes.data
        return self.numbers
