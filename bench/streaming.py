"""Updates per second as a viewer in another process receives them, against the tutorial's loop that shows nobody."""

from bench.results import interleaved, ratio, record, spread
from bench.serving import serving
from bench.workers import worker

UPDATES = 300
ROUNDS = 9
LEAST = 1.4


def measure() -> bool:
    with serving() as url, worker("viewer", url) as ours, worker("tutorial") as theirs:
        our_seconds, their_seconds = interleaved(lambda: ours(UPDATES), lambda: theirs(UPDATES), ROUNDS)
    times = ratio(their_seconds, our_seconds)
    figures = {
        "streamed at pace max, updates/s": spread([UPDATES / s for s in our_seconds], 0),
        "tutorial's loop, updates/s": spread([UPDATES / s for s in their_seconds], 0),
        "ratio": times,
    }
    return record("streaming", figures, f"at least {LEAST} times the tutorial's loop", times >= LEAST)
