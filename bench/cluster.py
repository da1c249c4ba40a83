"""Ray Serve beside plain uvicorn, with as many server processes: viewers, predictions, and what Ray's proxy costs."""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from bench.hall import MOST_LAG, PACE
from bench.predict import BODY
from bench.processes import cpu_seconds
from bench.requests import Load, flood
from bench.results import interleaved, record, spread
from bench.serving import command, hosting
from bench.workers import Worker, worker
from tests.faults.servers import free_port

ROUNDS = 2
FLOOD_SECONDS = 1.5
FLOODS = (1, 64)
WARM_SECONDS, WATCH_SECONDS = 2, 3
FEW = 10
"""Viewers who cost what they cost before anything is full."""

LADDER = (20, 40, 80, 160, 240, 320)
"""Viewers, until a hall is too full."""

RAYS = {"Ray": {}, "Ray with HAProxy": {"RAY_SERVE_ENABLE_HA_PROXY": "1"}}
"""Ways to run Ray: with its own proxy in Python, or with HAProxy straight to the replicas."""


@dataclass(frozen=True)
class Side:
    """A server to measure, and its viewers."""

    name: str
    url: str
    crowd: Worker
    cpu: Callable[[], dict[str, float]]
    """Processor time so far in seconds, of what, altogether in the first place."""

    def look(self) -> dict[str, Any]:
        """What the viewers see for some seconds, and the microseconds of processor time of an update."""
        self.crowd(f"warm {WARM_SECONDS}")
        before = self.cpu()
        seen: dict[str, Any] = json.loads(self.crowd.ask(f"watch {WATCH_SECONDS}"))
        return seen | {"cpu": _each(before, self.cpu(), seen["updates"])}

    def flooded(self, connections: int) -> tuple[Load, dict[str, float]]:
        """What it makes of predictions, and the microseconds of processor time of each."""
        before = self.cpu()
        load = flood(self.url, "/predict", BODY.encode(), connections, FLOOD_SECONDS)
        return load, _each(before, self.cpu(), int(load.rate * FLOOD_SECONDS))


def measure() -> bool:
    for processes in (1, 2):
        for name, settings in RAYS.items():
            with ExitStack() as stack:
                figures = _compare(_plain(stack, processes), _ray(stack, processes, name, settings))
                record("cluster", {"server processes": processes} | figures)
    return True


def _compare(plain: Side, ray: Side) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for connections in FLOODS:
        both = interleaved(ROUNDS, lambda n=connections: plain.flooded(n), lambda n=connections: ray.flooded(n))
        at = f"{connections} connection{'s' * (connections > 1)}"
        for side, found in zip((plain, ray), both, strict=True):
            figures[f"{side.name}, {at}, predictions/s"] = spread([load.rate for load, _ in found], 0)
            figures[f"{side.name}, {at}, p50, ms"] = spread([load.p50 for load, _ in found], 2)
            figures[f"{side.name}, {at}, p99, ms"] = spread([load.p99 for load, _ in found], 2)
            figures[f"{side.name}, {at}, CPU, µs/prediction"] = _medians([cpu for _, cpu in found])
    for side in (plain, ray):
        side.crowd(f"join {FEW} {PACE} plain")
    both_saw = interleaved(ROUNDS, plain.look, ray.look)
    for side, seen in zip((plain, ray), both_saw, strict=True):
        figures[f"{side.name}, {FEW} viewers, CPU, µs/update"] = _medians([one["cpu"] for one in seen])
        figures[f"{side.name}, {FEW} viewers, lag p99, ms"] = spread([one["lag_p99"] for one in seen])
        side.crowd("leave")
    for side in (plain, ray):
        figures |= _rise(side)
    return figures


def _rise(side: Side) -> dict[str, Any]:
    holds, inside, last = 0, 0, ""
    for viewers in LADDER:
        side.crowd(f"join {viewers - inside} {PACE} plain")
        inside = viewers
        seen = side.look()
        last = f"{viewers}: p99 {seen['lag_p99']:.0f} ms, {seen['updates'] / seen['seconds']:.0f} updates/s"
        if seen["lag_p99"] >= MOST_LAG or seen["missing"] or seen["trouble"]:
            break
        holds = viewers
    side.crowd("leave")
    return {f"{side.name}, holds viewers at {PACE} updates/s": holds, f"{side.name}, the last look": last}


def _plain(stack: ExitStack, processes: int) -> Side:
    start = [*command(), "--workers", str(processes)]
    host = stack.enter_context(hosting(start, max_viewers=1000))
    crowd = stack.enter_context(worker("crowd", host.url))
    return Side("uvicorn", host.url, crowd, lambda: {"all": cpu_seconds(host.pid)})


def _ray(stack: ExitStack, processes: int, name: str, settings: dict[str, str]) -> Side:
    models = stack.enter_context(TemporaryDirectory())
    settings = settings | {"UNROLLED_MODELS_DIR": models, "UNROLLED_LOG_LEVEL": "warning"}
    stack.enter_context(patch.dict(os.environ, settings))
    cluster = stack.enter_context(worker("ray_cluster", "1", str(processes), str(free_port())))
    stack.callback(cluster.ask, "stop")
    url = json.loads(cluster.ask("url"))
    crowd = stack.enter_context(worker("crowd", url))

    def cpu() -> dict[str, float]:
        parts: dict[str, float] = json.loads(cluster.ask("cpu"))
        return {"all": sum(parts.values())} | parts

    return Side(name, url, crowd, cpu)


def _each(before: dict[str, float], after: dict[str, float], count: int) -> dict[str, float]:
    return {name: 1e6 * (after[name] - before[name]) / count for name in after if name in before}


def _medians(found: list[dict[str, float]]) -> str:
    middle = {name: round(median(one[name] for one in found)) for name in found[0]}
    parts = ", ".join(f"{name} {value}" for name, value in middle.items() if name != "all")
    return f"{middle['all']}" + (f" ({parts})" if parts else "")
