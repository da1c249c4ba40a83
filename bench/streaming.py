"""Updates per second as a viewer in another process receives them, against the tutorial's loop that shows nobody."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.results import interleaved, ratio, record, spread
from bench.serving import serving
from bench.workers import worker

UPDATES = 5000
THEIR_UPDATES = 300
ROUNDS = 9
LEAST = 9


def measure(against: Path | None) -> bool:
    with ExitStack() as stack:
        loop = stack.enter_context(worker("tutorial"))
        viewers = [
            stack.enter_context(worker("viewer", stack.enter_context(serving(build=build))))
            for build in ((None, against) if against else (None,))
        ]
        takes = [lambda viewer=viewer: UPDATES / viewer(UPDATES) for viewer in viewers]
        theirs, ours, *others = interleaved(ROUNDS, lambda: THEIR_UPDATES / loop(THEIR_UPDATES), *takes)
    times = ratio(ours, theirs)
    figures: dict[str, Any] = {
        "streamed at pace max, updates/s": spread(ours, 0),
        "tutorial's loop, updates/s": spread(theirs, 0),
        "ratio": times,
    }
    for other in others:
        figures |= {
            "the other build, updates/s": spread(other, 0),
            "times as fast as the other build": ratio(ours, other),
        }
    return record("streaming", figures, f"at least {LEAST} times the tutorial's loop", times >= LEAST)
