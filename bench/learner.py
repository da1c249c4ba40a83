"""Updates per second of our Learner against the tutorial's loop, both in processes of their own."""

import sys
from time import perf_counter

from bench.results import interleaved, ratio, record, spread
from bench.workers import worker

UPDATES = 300
ROUNDS = 9
LEAST = 1.4


def updates(count: int) -> float:
    """Seconds that a new Learner takes for `count` updates."""
    from model.learner import Learner
    from model.recipe import Recipe

    learner = Learner(Recipe())
    began = perf_counter()
    for _ in range(count):
        learner.advance()
    return perf_counter() - began


def measure() -> bool:
    with worker("learner") as ours, worker("tutorial") as theirs:
        our_seconds, their_seconds = interleaved(lambda: ours(UPDATES), lambda: theirs(UPDATES), ROUNDS)
    times = ratio(their_seconds, our_seconds)
    figures = {
        "Learner, updates/s": spread([UPDATES / s for s in our_seconds], 0),
        "tutorial's loop, updates/s": spread([UPDATES / s for s in their_seconds], 0),
        "ratio": times,
    }
    return record("learner", figures, f"at least {LEAST} times the tutorial's loop", times >= LEAST)


if __name__ == "__main__":
    updates(50)
    print("ready", flush=True)
    for line in sys.stdin:
        print(updates(int(line)), flush=True)
