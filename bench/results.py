"""results.json: every figure ever measured, with its date and its machine."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

FILE = Path(__file__).parent / "results.json"


def machine() -> dict[str, Any]:
    """What a figure depends on. Neither names nor paths: results are published."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "numba": version("numba"),
    }


def record(bench: str, figures: dict[str, Any], promise: str = "", holds: bool = True) -> bool:
    """Print the figures and append them to the file. Returns whether the promise holds."""
    print(bench)
    for name, value in figures.items():
        print(f"    {name:<44} {value}")
    if promise:
        print(f"    {'promise: ' + promise:<44} {'holds' if holds else 'DOES NOT HOLD'}", flush=True)
    entry: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "bench": bench,
        "figures": figures,
        "machine": machine() | {"load": round(os.getloadavg()[0], 1)},
    }
    if promise:
        entry |= {"promise": promise, "holds": holds}
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in [*entries(), entry])
    FILE.write_text(f"[\n{lines}\n]\n")
    return holds


def entries() -> list[dict[str, Any]]:
    """Everything in the file, oldest first."""
    kept: list[dict[str, Any]] = json.loads(FILE.read_text()) if FILE.exists() else []
    return kept


def interleaved(rounds: int, *takes: Callable[[], T]) -> list[list[T]]:
    """Take all in turns, each first as often as any other, so that a machine's moods meet all alike.

    What each took, round by round, in the order of `takes`.
    """
    found: list[list[T]] = [[] for _ in takes]
    for number in range(rounds):
        first = number % len(takes)
        for place in (*range(first, len(takes)), *range(first)):
            found[place].append(takes[place]())
    return found


def ratio(ones: Sequence[float], others: Sequence[float]) -> float:
    """The median of the rounds' own ratios."""
    return round(statistics.median(one / other for one, other in zip(ones, others, strict=True)), 3)


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median and range, to read."""
    low, middle, high = (round(f(values), digits) for f in (min, statistics.median, max))
    return f"{middle} ({low} to {high})"
