"""Updates of 64 viewers at pace max for each second of the server's processor time, against the tutorial's loop."""

from time import sleep

from bench.hall import Hall, hall
from bench.results import interleaved, ratio, record, spread
from bench.workers import worker

LEARNERS = 64
ROUNDS = 5
WATCH_SECONDS = 4
UPDATES = 500
LEAST = 12


def streamed(full: Hall, says: list[str]) -> float:
    """Updates for each second of the server's processor time: made, sent, received and acknowledged."""
    full.crowd("play")
    look = full.look(WATCH_SECONDS)
    full.crowd("pause")
    sleep(0.5)  # what was under way has arrived
    says.append(str(look))
    assert not look.seen["trouble"], look
    return float(look.seen["updates"] / (look.server_cpu * look.seen["seconds"]))


def measure() -> bool:
    says: list[str] = []
    with hall() as full, worker("tutorial") as tutorial:
        full.crowd(f"join {LEARNERS} max plain")
        full.crowd("pause")
        ours, theirs = interleaved(lambda: streamed(full, says), lambda: UPDATES / tutorial(f"{UPDATES} cpu"), ROUNDS)
    times = ratio(ours, theirs)
    figures = {
        f"{LEARNERS} learners, updates per CPU second": spread(ours, 0),
        "tutorial's loop, updates per CPU second": spread(theirs, 0),
        "ratio": times,
        "the hall": says[-1].split("; ", 1)[1],
    }
    return record("fleet", figures, f"at least {LEAST} times the tutorial's loop", times >= LEAST)
