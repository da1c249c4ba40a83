"""Microseconds of an update: our bare Learner, the tutorial's loop, and for the RNN a jitted JAX; one core for all."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.results import interleaved, ratio, record, spread
from bench.workers import on_one_core, worker

ROUNDS = 7
OURS, LOOP, JAX, TODAY = "Learner", "tutorial's loop", "JAX", "the other build"
COUNTS = {OURS: 5000, LOOP: 300, JAX: 2000, TODAY: 2000}
"""Updates in a round: a tenth of a second or more."""

LEAST = {"rnn": {LOOP: 25, JAX: 2.5}, "gru": {LOOP: 15}, "lstm": {LOOP: 15}}
"""For each cell how many times as fast as what our Learner is to be."""


def measure(against: Path | None) -> bool:
    figures: dict[str, Any] = {}
    held = True
    for cell, least in LEAST.items():
        found = _beside(cell, [*least, *([TODAY] if against else [])], against)
        figures |= {f"{cell}, {who}, µs": spread(each, 1) for who, each in found.items()}
        times = {who: ratio(each, found[OURS]) for who, each in found.items() if who != OURS}
        figures |= {f"{cell}, times as fast as {who}": value for who, value in times.items()}
        held = held and all(times[who] >= bound for who, bound in least.items())
    said = "; ".join(f"{cell} {' and '.join(f'{n} × {who}' for who, n in of.items())}" for cell, of in LEAST.items())
    return record("learner", figures, f"at least {said}", held)


def _beside(cell: str, others: list[str], against: Path | None) -> dict[str, list[float]]:
    """Microseconds of an update in each round, of ours and of each other."""
    with ExitStack() as stack:
        with on_one_core():
            takes = {OURS: stack.enter_context(worker("bare_learner", cell))}
            for who in others:
                module, *arguments = {LOOP: ("tutorial", cell), JAX: ("jax_scan",), TODAY: ("bare_learner", cell)}[who]
                build = against if who == TODAY else None
                takes[who] = stack.enter_context(worker(module, *arguments, build=build))
        rounds = interleaved(ROUNDS, *(lambda who=who: 1e6 * takes[who](COUNTS[who]) / COUNTS[who] for who in takes))
    return dict(zip(takes, rounds, strict=True))
