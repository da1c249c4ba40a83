"""/predict with 30 samples, against a bare FastAPI echo of the same body, and beside LitServe with batching on."""

import json
import math
import sys
from statistics import median
from typing import Any

from bench.requests import Load, flood
from bench.results import interleaved, ratio, record, spread
from bench.serving import serving

SECONDS = 1.5
ROUNDS = 7
CONNECTIONS = (1, 16, 64)
BODY = json.dumps({"sequence": [round(math.sin(math.pi * t / 10), 6) for t in range(30)]})

LEAST_RATE = 0.8  # of the echo's, at 64 connections
MOST_P99 = 1.5  # of the echo's, at 64 connections
MOST_ADDED = 0.5  # milliseconds, at one connection
PROMISE = (
    f"requests/s ≥ {LEAST_RATE} and p99 ≤ {MOST_P99} of the echo's at 64 connections, ≤ {MOST_ADDED} ms added at one"
)


def measure() -> bool:
    figures: dict[str, object] = {}
    with serving([sys.executable, "-m", "bench.echo"]) as echo:
        with serving() as ours:
            figures |= _beside_echo("/predict", ours, echo)
        # on its own: it takes a fifth of a processor while nobody asks
        with serving([sys.executable, "-m", "bench.litserve"]) as litserve:
            figures |= _beside_echo("LitServe", litserve, echo)
    holds = (
        figures["/predict, 64 connections, requests/s to the echo's"] >= LEAST_RATE
        and figures["/predict, 64 connections, p99 to the echo's"] <= MOST_P99
        and figures["/predict, 1 connection, added p50, ms"] <= MOST_ADDED
    )
    return record("predict", figures, PROMISE, holds)


def _beside_echo(name: str, url: str, echo: str) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for connections in CONNECTIONS:
        ours, theirs = _in_turns((url, "/predict"), (echo, "/echo"), connections)
        at = f"{connections} connection{'s' * (connections > 1)}"
        for who, found in ((name, ours), (f"echo beside {name}", theirs)):
            figures[f"{who}, {at}, requests/s"] = spread([load.rate for load in found], 0)
            figures[f"{who}, {at}, p50, ms"] = spread([load.p50 for load in found], 2)
            figures[f"{who}, {at}, p99, ms"] = spread([load.p99 for load in found], 2)
            figures[f"{who}, {at}, client's CPU, µs/request"] = spread([load.client for load in found], 0)
        figures[f"{name}, {at}, requests/s to the echo's"] = ratio(
            [load.rate for load in ours], [load.rate for load in theirs]
        )
        figures[f"{name}, {at}, p99 to the echo's"] = ratio([load.p99 for load in ours], [load.p99 for load in theirs])
        added = [one.p50 - other.p50 for one, other in zip(ours, theirs, strict=True)]
        figures[f"{name}, {at}, added p50, ms"] = round(median(added), 3)
    return figures


def _in_turns(one: tuple[str, str], other: tuple[str, str], connections: int) -> list[list[Load]]:
    def load(where: tuple[str, str]) -> Load:
        return flood(*where, BODY.encode(), connections, SECONDS)

    load(one), load(other)
    return interleaved(ROUNDS, lambda: load(one), lambda: load(other))
