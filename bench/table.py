"""The lecture hall in one table: what was measured beside what was to be reached."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One promise, and the figures of a benchmark that tell whether it holds."""

    what: str
    baseline: str
    reach: str
    bench: str
    figures: tuple[str, ...]


LOOP = "tutorial's loop"

ROWS = (
    Row("bare learner, rnn 32", LOOP, "≥ 25 ×", "learner", ("rnn, times as fast as tutorial's loop",)),
    Row("the same", "jitted JAX", "≥ 2.5 ×", "learner", ("rnn, times as fast as JAX",)),
    Row("bare learner, gru 32", LOOP, "≥ 15 ×", "learner", ("gru, times as fast as tutorial's loop",)),
    Row("bare learner, lstm 32", LOOP, "≥ 15 ×", "learner", ("lstm, times as fast as tutorial's loop",)),
    Row("one learner alone, pace max, streamed", LOOP, "≥ 9 ×", "streaming", ("ratio",)),
    Row("64 viewers, updates per CPU second of the server", LOOP, "max ≥ 45 ×, 20/s ≥ 12 ×", "many", ("ratio",)),
    Row(
        "viewers at 20 updates/s, p99 lag under 100 ms",
        "the other build",
        "plain 1,000, mixed 600",
        "hall",
        ("holds", "the other build holds"),
    ),
    Row("1,000 viewers at 5 messages/s", "–", "in time", "slow_hall", ("in time",)),
    Row("taken up 500 updates behind, ms", "–", "≤ 45", "resuming", ("taken up 500 updates behind, ms",)),
    Row("start to ready", "import torch, fastapi", "≤ 1.25 ×", "startup", ("ratio",)),
    Row("memory per further viewer, kB", "–", "≤ 78", "memory", ("each viewer from 50 to 250, kB",)),
    Row(
        "/predict, 64 connections: requests, p99",
        "bare echo",
        "≥ 0.8 ×, ≤ 1.5 ×",
        "predict",
        ("ratio, 64 connections", "p99 ratio, 64 connections"),
    ),
    Row("/predict, one connection: added latency, ms", "bare echo", "≤ 0.5", "predict", ("added latency, ms",)),
    Row(
        "/predict and /healthz beside 300 viewers: p99, ms",
        "–",
        "< 50",
        "hall_probes",
        ("/predict, p99, ms", "/healthz, p99, ms"),
    ),
)

HEAD = ("what", "baseline", "reach", "measured")


def lines(entries: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The table in Markdown, of the rows that these entries of results.json have a figure for."""
    cells = [HEAD, *((row.what, row.baseline, row.reach, said) for row in ROWS if (said := measured(row, entries)))]
    if len(cells) == 1:
        return
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    for number, line in enumerate(cells):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        if number == 0:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"


def measured(row: Row, entries: Sequence[dict[str, Any]]) -> str:
    """The figures of a row, once for each entry of its benchmark."""
    found = []
    for entry in entries:
        figures = entry["figures"]
        if entry["bench"] == row.bench and (values := [figures[name] for name in row.figures if name in figures]):
            where = [f"{figures[name]}" for name in ("recipes", "pace") if name in figures]
            where += [f"{figures['workers']} workers"] if figures.get("workers", 1) > 1 else []
            said = "; ".join({True: "yes", False: "no"}[v] if isinstance(v, bool) else str(v) for v in values)
            found.append(f"{said} ({', '.join(where)})" if where else said)
    return ", ".join(found)
