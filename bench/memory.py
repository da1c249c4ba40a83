"""Memory that one viewer more takes of the server."""

from pathlib import Path
from time import sleep
from typing import Any

from bench.hall import Hall, hall
from bench.processes import resident_bytes
from bench.results import record

FEW, MANY = 50, 250
PACE = 2
SETTLE_SECONDS = 8
MOST = 78.0  # kB


def each(full: Hall, recipes: str) -> float:
    """kB for each viewer beyond the first ones, for whom the server had to take what all share."""
    full.crowd(f"join {FEW} {PACE} {recipes}")
    sleep(SETTLE_SECONDS)
    few = resident_bytes(full.host.pid)
    full.crowd(f"join {MANY - FEW} {PACE} {recipes}")
    sleep(SETTLE_SECONDS)
    return (resident_bytes(full.host.pid) - few) / (MANY - FEW) / 1000


def measure(against: Path | None) -> bool:
    kilobytes = {}
    for recipes in ("plain", "mixed"):
        with hall() as full:
            kilobytes[recipes] = each(full, recipes)
    figures: dict[str, Any] = {
        f"each viewer from {FEW} to {MANY}, kB": round(kilobytes["plain"], 1),
        "in a mixed hall, kB": round(kilobytes["mixed"], 1),
    }
    if against:
        with hall(build=against) as full:
            figures["the other build, kB"] = round(each(full, "plain"), 1)
    return record("memory", figures, f"at most {MOST:.0f} kB each", kilobytes["plain"] <= MOST)
