"""What is wrong with a soak, in sentences."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tests.soak.readings import Reading
from tests.soak.soak import Soaked

MOST_GROWTH = 15.0
"""Megabytes after the warm-up: the allocator takes 5 to 7 at a time where shapes come that it has not seen."""

FEWEST_VISITS = 20.0
"""For each minute that was asked for, of all guests together."""

FEWEST_READINGS = 10

MOST_MISSED, FEW_MISSED = 0.01, 2
"""Share of visits that may end by a missed pong, and how many always may: guests and server share a busy machine."""

POOL = min(32, (os.cpu_count() or 1) + 4)
"""Threads that asyncio starts as they are needed and then keeps, at the most."""

SHOWN = 5


@dataclass(frozen=True)
class Memory:
    """The course of a soak's memory, in megabytes: medians of a fifth of the readings each."""

    warm: float
    """Right after the warm-up, which is the first third."""
    end: float

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> "Memory":
        resident = [one.resident for one in readings]
        third, fifth = len(resident) // 3, max(1, len(resident) // 5)
        return cls(median(resident[third : third + fifth]), median(resident[-fifth:]))

    @property
    def growth(self) -> float:
        return self.end - self.warm


def wrongs(soaked: Soaked, log: str) -> list[str]:
    """Nothing, if it was a good soak. `log` is what the server wrote."""
    return [*_memory(soaked), *_left_over(soaked), *_log(log), *_guests(soaked), *lacks(soaked)]


def _memory(soaked: Soaked) -> list[str]:
    if len(soaked.readings) < FEWEST_READINGS:
        return []  # it is said below
    memory = Memory.of(soaked.readings)
    if memory.growth <= MOST_GROWTH:
        return []
    return [f"memory grew by {memory.growth:.1f} MB after the warm-up, from {memory.warm:.0f} to {memory.end:.0f} MB"]


def _left_over(soaked: Soaked) -> list[str]:
    """What was more when all had gone than before the first came."""
    if soaked.empty is None:
        return ["nobody looked when all had gone"]
    wrong = []
    for name, may_be_more in {"tasks": 0, "threads": POOL, "files": 0, "viewers": 0}.items():
        before, after = getattr(soaked.idle, name), getattr(soaked.empty, name)
        if after > before + may_be_more:
            wrong.append(f"{before} {name} before, {after} when all had gone")
    return wrong


def _log(log: str) -> list[str]:
    bad = [line for line in log.splitlines() if "ERROR" in line or "Traceback" in line]
    return [f"{len(bad)} errors in the server's log: {'; '.join(bad[:SHOWN])}"] if bad else []


def _guests(soaked: Soaked) -> list[str]:
    missed, visits = soaked.tally["missed a pong"], soaked.tally["visits"]
    wrong = [f"{len(soaked.trouble)} troubles: {'; '.join(soaked.trouble[:SHOWN])}"] if soaked.trouble else []
    if missed > max(FEW_MISSED, MOST_MISSED * visits):
        wrong.append(f"{missed} of {visits} visits ended by a missed pong")
    return wrong


def lacks(soaked: Soaked) -> list[str]:
    """What has yet to happen: a soak in which nothing happened shows nothing."""
    minutes = soaked.seconds / 60
    visits, readings = soaked.tally["visits"], len(soaked.readings)
    wrong = [f"{readings} readings show no course of the memory"] if readings < FEWEST_READINGS else []
    wrong += [f"only {visits} visits in place of {minutes:g} minutes'"] if visits < FEWEST_VISITS * minutes else []
    wanted = {
        "heard diverged": "diverged",
        "vanished": "vanished",
        "updates of regulars": "stayed",
        "streamed": "streamed",
    }
    return wrong + [f"nobody {what}" for name, what in wanted.items() if not soaked.tally[name]]
