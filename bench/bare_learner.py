"""Our Learner in a process of its own. It imports nothing of this package, so that any build's Python can run it."""

import sys
from time import perf_counter

from model.learner import Learner
from model.recipe import Recipe


def updates(count: int, cell: str = "rnn") -> float:
    """Seconds that a new Learner takes for `count` updates."""
    learner = Learner(Recipe.model_validate({"cell": cell}))
    began = perf_counter()
    for _ in range(count):
        learner.advance()
    return perf_counter() - began


if __name__ == "__main__":
    updates(50, *sys.argv[1:])
    print("ready", flush=True)
    for line in sys.stdin:
        print(updates(int(line), *sys.argv[1:]), flush=True)
