"""Turns: the updates of the runs whose turn it is, and what each run's cost."""

from collections.abc import Callable, Sequence
from itertools import count
from time import perf_counter, process_time

from app.protocol.updates import encode_update
from app.training.orders import Advance, Turn
from app.training.runs import Runs
from model.learner import Diverged
from model.recipe import Recipe

TICK_SECONDS = 0.002
"""Seconds that a tick should take at most: what a run makes in its share of them is charged for, and told, at once."""

LEAST_SECONDS = 1e-5
"""No update is expected to take less, so that a tick has an end where none is charged for."""

LOOK_SECONDS = 0.004
"""After how long the processor's time is asked for again: it costs up to 5 µs, a fifth of an update's."""

Price = Callable[[Recipe, float], float]
"""The seconds to charge for an update, given its recipe and the processor time that it took."""


def as_it_took(recipe: Recipe, seconds: float) -> float:
    return seconds


class Meter:
    """The processor time that this process has had: the wall's, by the share of it that this process was given."""

    def __init__(self) -> None:
        self._share = 1.0
        self.begin()

    def begin(self) -> None:
        """A piece of work begins: what was before is not counted."""
        self._since, self._cpu = perf_counter(), process_time()
        self._spent = 0.0

    def processor(self, began: float, ended: float) -> float:
        """The processor's part of seconds by `perf_counter` in this piece of work."""
        if ended - self._since >= LOOK_SECONDS:
            self._look(ended)
        return (ended - began) * self._share

    def total(self) -> float:
        """Processor time since this piece of work began."""
        self._look(perf_counter())
        return self._spent

    def _look(self, now: float) -> None:
        spent = process_time() - self._cpu
        if now - self._since >= LOOK_SECONDS:  # of less it would tell only chance
            self._share = min(1.0, spent / (now - self._since))
        self._since, self._cpu, self._spent = now, self._cpu + spent, self._spent + spent


class Turns:
    """One turn of some runs, ordered by their viewers: burst by burst, until each has made what it was asked for."""

    def __init__(
        self,
        runs: Runs,
        orders: Sequence[Advance],
        price: Price,
        meter: Meter,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._clock = clock
        self._runs = runs
        self._price = price
        self._meter = meter
        self.going = list(orders)
        self.seconds = dict.fromkeys((order.number for order in orders), 0.0)
        self._texts: dict[int, list[bytes]] = {order.number: [] for order in orders}
        self._diverged: dict[int, str] = {}
        self.ticks: list[tuple[int, float]] = []

    def tick(self) -> None:
        """Have each run that goes on make a burst of updates, and note what it cost: no time that others took."""
        made = 0
        first = began = perf_counter()
        for order in self.going:
            tried = self._burst(order)
            each = self._meter.processor(began, perf_counter()) / tried
            recipe = self._runs[order.run].recipe
            cost = sum(self._price(recipe, each) for _ in range(tried))
            began = perf_counter()
            self.seconds[order.number] += cost
            self._runs.took(order.run, cost / tried)
            made += tried
        self.ticks.append((made, began - first))
        self.going = [order for order in self.going if not self._is_over(order)]

    def _burst(self, order: Advance) -> int:
        """Make at least one update, as many as the run's share of a tick is likely to hold, and encode them. How many
        were tried: the last one may have diverged."""
        learner, texts = self._runs[order.run], self._texts[order.number]
        newest = self._runs.newest(order.run)
        share, began = TICK_SECONDS / len(self.going), self._clock()
        fit = 1 if newest is None else int(share / max(newest, LEAST_SECONDS))
        for tried in count(1):
            try:
                texts.append(encode_update(learner.advance(order.views)))
            except Diverged as end:
                self._diverged[order.number] = end.tensor
            late = self._clock() - began >= share  # they may cost more than the newest did
            if late or tried >= fit or self._is_over(order):
                break
        return tried

    def _is_over(self, order: Advance) -> bool:
        made = len(self._texts[order.number])
        stops = self._runs[order.run].update == order.stop_at
        return made >= order.most or stops or order.number in self._diverged

    def turn(self, order: Advance) -> Turn:
        texts = self._texts[order.number]
        return Turn(b",".join(texts), len(texts), self._runs[order.run].update, self._diverged.get(order.number))
