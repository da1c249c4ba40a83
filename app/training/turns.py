"""Turns: the updates of the runs whose turn it is, and what each run's cost."""

from collections.abc import Callable, Sequence
from time import perf_counter, process_time

from app.protocol.updates import encode_update
from app.training.orders import Advance, Turn
from app.training.runs import Runs
from model.learner import Diverged
from model.recipe import Recipe

Price = Callable[[Recipe, float], float]
"""The seconds to charge for an update, given its recipe and the processor time that it took."""


def as_it_took(recipe: Recipe, seconds: float) -> float:
    return seconds


class Turns:
    """One turn of some runs, ordered by their viewers: update by update, until each has made what it was asked for."""

    def __init__(self, runs: Runs, orders: Sequence[Advance], price: Price) -> None:
        self._runs = runs
        self._price = price
        self.going = list(orders)
        self.seconds = dict.fromkeys((order.number for order in orders), 0.0)
        self._texts: dict[int, list[bytes]] = {order.number: [] for order in orders}
        self._diverged: dict[int, str] = {}
        self.ticks: list[tuple[int, float]] = []

    def tick(self) -> None:
        """Make one update of each run that goes on, encode it, and note what it cost: no time that others took."""
        began = perf_counter()
        for order in self.going:
            cpu = process_time()
            learner = self._runs[order.run]
            try:
                self._texts[order.number].append(encode_update(learner.advance(order.views)))
            except Diverged as end:
                self._diverged[order.number] = end.tensor
            cost = self._price(learner.recipe, process_time() - cpu)
            self.seconds[order.number] += cost
            self._runs.took(order.run, cost)
        self.ticks.append((len(self.going), perf_counter() - began))
        self.going = [order for order in self.going if not self._is_over(order)]

    def _is_over(self, order: Advance) -> bool:
        made = len(self._texts[order.number])
        stops = self._runs[order.run].update == order.stop_at
        return made >= order.most or stops or order.number in self._diverged

    def turn(self, order: Advance) -> Turn:
        texts = self._texts[order.number]
        return Turn(b",".join(texts), len(texts), self._runs[order.run].update, self._diverged.get(order.number))
