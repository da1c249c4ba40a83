"""A hall full of viewers: how many it holds at 20 updates a second each, or at 5, and what probes feel of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from bench.probes import MOST, felt
from bench.processes import cpu_seconds
from bench.results import record
from bench.serving import Host, command, hosting
from bench.workers import Worker, worker

PACE = 20
PROMISED = 300
STEP = 100
MOST_LAG = 100.0  # milliseconds, at the 99th percentile
SLOW_PACE, AIM = 5, 1000
WARM_SECONDS = 3
WATCH_SECONDS = 10
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

    def look(self, seconds: float = WATCH_SECONDS) -> Look:
        self.crowd(f"warm {WARM_SECONDS}")
        before, began = cpu_seconds(self.host.pid), perf_counter()
        seen = json.loads(self.crowd.ask(f"watch {seconds}"))
        return Look(seen, (cpu_seconds(self.host.pid) - before) / (perf_counter() - began))


@contextmanager
def hall(workers: int = 1) -> Iterator[Hall]:
    start = [*command(), "--workers", str(workers)] if workers > 1 else command()
    with hosting(start, max_viewers=ROOM) as host, worker("crowd", host.url) as crowd:
        yield Hall(host, crowd)


def rising(recipes: str, workers: int) -> dict[int, Look]:
    """Ever more viewers, until the first hall that is too full."""
    looks: dict[int, Look] = {}
    with hall(workers) as full:
        for viewers in range(STEP, ROOM, STEP):
            full.crowd(f"join {STEP} {PACE} {recipes}")
            looks[viewers] = full.look()
            if not looks[viewers].holds:
                break
    return looks


def slow(workers: int) -> Look:
    with hall(workers) as full:
        full.crowd(f"join {AIM} {SLOW_PACE} plain")
        return full.look()


def measure() -> bool:
    held = True
    for workers in (1, 2):
        for recipes in ("plain", "mixed"):
            looks = rising(recipes, workers)
            holds = max((viewers for viewers, look in looks.items() if look.holds), default=0)
            figures: dict[str, Any] = {"recipes": recipes, "workers": workers, "holds": holds}
            figures |= {f"{viewers} viewers": str(look) for viewers, look in looks.items()}
            if recipes == "plain" and workers == 1:
                promise = f"{PROMISED} viewers at {PACE} updates/s, p99 lag under {MOST_LAG:.0f} ms, nothing lost"
                held = record("hall", figures, promise, holds >= PROMISED) and held
            else:
                record("hall", figures)
        look = slow(workers)
        figures = {"workers": workers, f"{AIM} viewers at pace {SLOW_PACE}": str(look), "in time": look.holds}
        record("slow_hall", figures)
    return held


def probes() -> bool:
    """Latency of /healthz and /predict beside the promised hall."""
    with hall() as full:
        full.crowd(f"join {PROMISED} {PACE} plain")
        figures, worst = felt(full.host.url)
        look = {"the hall, afterwards": str(full.look(3))}
    promise = f"p99 within {MOST:.0f} ms beside {PROMISED} viewers at {PACE} updates/s"
    return record("hall_probes", figures | look, promise, worst <= MOST)
