"""A hall full of viewers: how many it holds at 20 updates a second each, or at 5, and what probes feel of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.probes import MOST, felt
from bench.processes import cpu_seconds
from bench.results import record
from bench.serving import Host, command, hosting
from bench.workers import Worker, worker

PACE = 20
PROMISED = {"plain": 1000, "mixed": 600}
"""Viewers of a hall, by their recipes."""

LADDER = (100, 200, 300, 450, 600, 700, 850, 1000, 1200, 1400, 1600, 1800)
"""Viewers, until a hall is too full."""

PROBED = 300
MOST_LAG = 100.0  # milliseconds, at the 99th percentile
SLOW_PACE, AIM = 5, 1000
WARM_SECONDS = 2
WATCH_SECONDS = 4
ROOM = 2000


@dataclass(frozen=True)
class Look:
    """What a hall was like for some seconds."""

    seen: dict[str, Any]
    server_cpu: float
    """Cores that the server kept busy."""

    @property
    def holds(self) -> bool:
        seen = self.seen
        return bool(seen["lag_p99"] < MOST_LAG and not seen["missing"] and not seen["trouble"])

    def __str__(self) -> str:
        seen, seconds = self.seen, self.seen["seconds"]
        said = (
            f"p50 {seen['lag_p50']:.0f}, p99 {seen['lag_p99']:.0f} ms; {seen['updates'] / seconds:.0f} updates and "
            f"{seen['messages'] / seconds:.0f} messages/s; server {self.server_cpu:.2f} of a core, "
            f"viewers {seen['cpu_seconds'] / seconds:.2f}"
        )
        lost = f"; {seen['missing']} missing" if seen["missing"] else ""
        return said + lost + "".join(f"; {text}" for text in seen["trouble"])


@dataclass(frozen=True)
class Hall:
    """A server, and its viewers in one process."""

    host: Host
    crowd: Worker

    def look(self, seconds: float = WATCH_SECONDS, warm: float = WARM_SECONDS) -> Look:
        self.crowd(f"warm {warm}")
        before, began = cpu_seconds(self.host.pid), perf_counter()
        seen = json.loads(self.crowd.ask(f"watch {seconds}"))
        return Look(seen, (cpu_seconds(self.host.pid) - before) / (perf_counter() - began))


@contextmanager
def hall(workers: int = 1, build: Path | None = None) -> Iterator[Hall]:
    start = [*command(build), "--workers", str(workers)] if workers > 1 else command(build)
    with hosting(start, build, max_viewers=ROOM) as host, worker("crowd", host.url) as crowd:
        yield Hall(host, crowd)


def rising(recipes: str, workers: int = 1, build: Path | None = None) -> dict[int, Look]:
    """Ever more viewers, until the first hall that is too full at a second look too."""
    looks: dict[int, Look] = {}
    inside = 0
    with hall(workers, build) as full:
        for viewers in LADDER:
            full.crowd(f"join {viewers - inside} {PACE} {recipes}")
            inside = viewers
            looks[viewers] = full.look()
            if not looks[viewers].holds:
                looks[viewers] = full.look()
            if not looks[viewers].holds:
                break
    return looks


def holds(looks: dict[int, Look]) -> int:
    """Viewers of the largest hall that was not too full."""
    return max((viewers for viewers, look in looks.items() if look.holds), default=0)


def measure(against: Path | None) -> bool:
    """A hall of one worker, right after one of the other build."""
    held = True
    for recipes, promised in PROMISED.items():
        theirs = rising(recipes, build=against) if against else {}
        ours = rising(recipes)
        figures: dict[str, Any] = {"recipes": recipes, "workers": 1, "holds": holds(ours)}
        if against:
            figures |= {"the other build holds": holds(theirs)}
            figures |= {f"the other build, {viewers} viewers": str(look) for viewers, look in theirs.items()}
        figures |= {f"{viewers} viewers": str(look) for viewers, look in ours.items()}
        promise = f"{promised} viewers at {PACE} updates/s, p99 lag under {MOST_LAG:.0f} ms, nothing lost"
        held = record("hall", figures, promise, holds(ours) >= promised) and held
    return held


def wide() -> bool:
    """Halls of two workers, and slow ones."""
    for recipes in PROMISED:
        looks = rising(recipes, workers=2)
        figures: dict[str, Any] = {"recipes": recipes, "workers": 2, "holds": holds(looks)}
        record("hall", figures | {f"{viewers} viewers": str(look) for viewers, look in looks.items()})
    for workers in (1, 2):
        with hall(workers) as full:
            full.crowd(f"join {AIM} {SLOW_PACE} plain")
            look = full.look()
        figures = {"workers": workers, f"{AIM} viewers at pace {SLOW_PACE}": str(look), "in time": look.holds}
        record("slow_hall", figures)
    return True


def probes() -> bool:
    """Latency of /healthz and /predict beside the promised hall."""
    with hall() as full:
        full.crowd(f"join {PROBED} {PACE} plain")
        figures, worst = felt(full.host.url)
        look = {"the hall, afterwards": str(full.look(3))}
    promise = f"p99 within {MOST:.0f} ms beside {PROBED} viewers at {PACE} updates/s"
    return record("hall_probes", figures | look, promise, worst <= MOST)
