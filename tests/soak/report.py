"""docs/soak.md: what a soak is, and how the last recorded one went."""

import os
from datetime import UTC, datetime

from bench.results import machine
from tests.soak.soak import GUESTS, REGULARS, SEATS, Soaked
from tests.soak.verdict import MOST_GROWTH, Memory

ABOUT = f"""# A soak

`make soak` lives a long day of a server in a short time. {GUESTS} guests at a time come to one real server with {SEATS}
seats, do a dozen things at random and go, and the next ones come. What each does is drawn from one seed: recipes of
any shape, runs that diverge, every pace, pauses and single steps, changes, views, checkpoints, mistakes; some stop
reading, some vanish with their wire cut, or while their run is being made, some come back with the checkpoint that
they kept. {REGULARS} regulars stay all the time and must hear every update. Beside them others ask `/predict` for
sequences of any shape and stream over `/ws/predict`.

It fails if anybody hears what is out of order, a wrong refusal or nothing at all; if the server logs an error; if
tasks, files or viewers are more when all have gone than before the first came, or threads by more than asyncio's pool
may hold; or if memory, of the server and its training process together, grows by more than {MOST_GROWTH:g} MB after
the warm-up: from the median of the fifth that follows the first third to the median of the last fifth. `make test` has
a soak of a few seconds in it.
"""


def markdown(soaked: Soaked, minutes: float, seed: int, wrong: list[str]) -> str:
    """`soaked.empty` must be there."""
    idle, empty, memory, tally = soaked.idle, soaked.empty, Memory.of(soaked.readings), soaked.tally
    assert empty is not None
    there = machine()
    load = os.getloadavg()[0]
    figures = {
        "visits": f"{tally['visits']:,}",
        "runs opened": f"{tally['opened'] - tally['resumed']:,}",
        "runs resumed from a checkpoint": f"{tally['resumed']:,}",
        "divergences": f"{tally['heard diverged']:,}",
        "guests who vanished": f"{tally['vanished']:,}",
        "guests let go, since they read nothing": f"{tally['let go']:,}",
        "guests turned away, since the hall was full": f"{tally['turned away']:,}",
        "connections that missed a pong": f"{tally['missed a pong']:,}",
        "mistakes refused": f"{tally['heard error']:,}",
        "updates heard": f"{tally['updates'] + tally['updates of regulars']:,}",
        "predictions asked, pieces streamed": f"{_asked(soaked):,}, {tally['streamed']:,}",
        "memory at rest before": f"{idle.resident:.0f} MB",
        "memory after the warm-up": f"{memory.warm:.0f} MB",
        "memory at the end": f"{memory.end:.0f} MB",
        "growth after the warm-up": f"{memory.growth:+.1f} MB",
        "memory when all had gone": f"{empty.resident:.0f} MB",
        "tasks before, after": f"{idle.tasks}, {empty.tasks}",
        "threads before, after": f"{idle.threads}, {empty.threads}",
        "open files before, after": f"{idle.files}, {empty.files}",
        "viewers before, after": f"{idle.viewers}, {empty.viewers}",
    }
    return "\n".join(
        [
            ABOUT,
            f"## {datetime.now(UTC):%Y-%m-%d}: {minutes:g} minutes, seed {seed}",
            "",
            "![Memory over the minutes of the soak](soak.svg)",
            "",
            "| | |",
            "| --- | --- |",
            *(f"| {name} | {value} |" for name, value in figures.items()),
            "",
            "Nothing was wrong." if not wrong else "Wrong:\n\n" + "\n".join(f"- {one}" for one in wrong),
            "",
            f"Recorded with `make soak ARGS='--minutes {minutes:g} --seed {seed} --record'` on {there['processor']},",
            f"{there['cores']} cores, Python {there['python']}, torch {there['torch']}, guests and server on",
            f"the same machine, whose load was {load:.1f} at the end.",
            "",
        ]
    )


def _asked(soaked: Soaked) -> int:
    return sum(count for name, count in soaked.tally.items() if name.startswith("/predict"))
