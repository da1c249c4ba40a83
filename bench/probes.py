"""Latency of /healthz and /predict while 20 viewers train at pace max."""

import asyncio
import json
import statistics
from typing import Any

from bench.predict import BODY
from bench.requests import latencies
from bench.results import record
from bench.serving import serving
from bench.workers import worker

VIEWERS = 20
REQUESTS = 500
PAUSE = 0.01  # seconds
MOST = 50.0  # milliseconds


def felt(url: str) -> tuple[dict[str, Any], float]:
    """Figures of a server's answers, and the worse of the two 99th percentiles, in milliseconds."""
    figures: dict[str, Any] = {}
    worst = 0.0
    for path, body in (("/healthz", None), ("/predict", BODY.encode())):
        taken = asyncio.run(latencies(url, path, body, REQUESTS, PAUSE))
        p99 = statistics.quantiles(taken, n=100)[98]
        figures[f"{path}, p50, ms"] = round(statistics.median(taken), 1)
        figures[f"{path}, p99, ms"] = round(p99, 1)
        worst = max(worst, p99)
    return figures, worst


def measure() -> bool:
    with serving() as url, worker("crowd", url) as crowd:
        crowd(f"join {VIEWERS} max plain")
        figures, worst = felt(url)
        crowd("warm 0")
        seen = json.loads(crowd.ask("watch 1"))
        assert not seen["trouble"], seen
        assert seen["updates"], seen
    promise = f"p99 within {MOST:.0f} ms beside {VIEWERS} viewers at pace max"
    return record("probes", figures, promise, worst <= MOST)
