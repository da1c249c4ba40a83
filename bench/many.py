"""Updates of 64 viewers for each second of the server's processor time, at pace max and at 20/s, against the loop."""

from contextlib import ExitStack
from pathlib import Path
from time import sleep
from typing import Any

from bench.hall import Hall, hall
from bench.results import interleaved, ratio, record, spread
from bench.workers import worker

VIEWERS = 64
ROUNDS = 3
WARM_SECONDS, WATCH_SECONDS = 1, 3
UPDATES = 300
LEAST = {"max": 45, "20": 12}
"""For each pace, how many times the loop's updates."""


def measure(against: Path | None) -> bool:
    held = True
    for pace, least in LEAST.items():
        held = _measure(pace, least, against) and held
    return held


def _measure(pace: str, least: float, against: Path | None) -> bool:
    says: list[str] = []
    with ExitStack() as stack:
        loop = stack.enter_context(worker("tutorial"))
        halls = [stack.enter_context(hall(build=build)) for build in ((None, against) if against else (None,))]
        for full in halls:
            full.crowd(f"join {VIEWERS} {pace} plain")
            full.crowd("pause")
        takes = [lambda full=full: _streamed(full, says) for full in halls]
        theirs, ours, *others = interleaved(ROUNDS, lambda: UPDATES / loop(f"{UPDATES} cpu"), *takes)
    times = ratio(ours, theirs)
    figures: dict[str, Any] = {
        "pace": pace,
        "updates per CPU second of the server": spread(ours, 0),
        "tutorial's loop, updates per CPU second": spread(theirs, 0),
        "ratio": times,
        "the hall": says[0],
    }
    for other in others:
        figures |= {
            "the other build, updates per CPU second": spread(other, 0),
            "to the other build": ratio(ours, other),
        }
    promise = f"{VIEWERS} viewers at pace {pace}: at least {least} times the tutorial's loop"
    return record("many", figures, promise, times >= least)


def _streamed(full: Hall, says: list[str]) -> float:
    """Updates for each second of the server's processor time: made, sent, received and acknowledged."""
    full.crowd("play")
    look = full.look(WATCH_SECONDS, WARM_SECONDS)
    full.crowd("pause")
    sleep(0.5)  # what was under way has arrived
    says.append(str(look))
    assert not look.seen["trouble"], look
    return float(look.seen["updates"] / (look.server_cpu * look.seen["seconds"]))
