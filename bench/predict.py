"""Requests per second of /predict with 30 samples, against a bare FastAPI echo of the same body."""

import json
import math
import sys

from bench.results import interleaved, ratio, record, spread
from bench.serving import serving
from bench.workers import worker

SECONDS = 1.5
ROUNDS = 5
CONNECTIONS = (1, 64)
BODY = json.dumps({"sequence": [round(math.sin(math.pi * t / 10), 6) for t in range(30)]})


def measure() -> bool:
    figures: dict[str, object] = {}
    bare = [sys.executable, "-m", "bench.echo"]
    with (
        serving() as our_url,
        serving(bare) as bare_url,
        worker("requests", our_url, "/predict", BODY) as ours,
        worker("requests", bare_url, "/echo", BODY) as theirs,
    ):
        for connections in CONNECTIONS:
            line = f"{connections} {SECONDS}"
            ours(line), theirs(line)
            our_rates, their_rates = interleaved(lambda: ours(line), lambda: theirs(line), ROUNDS)  # noqa: B023
            where = f"{connections} connection{'s' * (connections > 1)}"
            figures[f"/predict, {where}, requests/s"] = spread(our_rates, 0)
            figures[f"bare echo, {where}, requests/s"] = spread(their_rates, 0)
            figures[f"ratio, {where}"] = ratio(our_rates, their_rates)
    return record("predict", figures)
