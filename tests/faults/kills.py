"""`kill -9` at random moments of a run that a plain socket follows; the next server is on the same port."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.faults.curves import uninterrupted
from tests.faults.follower import Follower
from tests.faults.servers import Servers, free_port
from tests.viewers import timeless


def survives(servers: Servers, cell: str, pace: float | str, kills: int, seed: int) -> Follower:
    """Play a run through so many kills, and hold all of it to the run that was never interrupted."""
    draw = random.Random(f"{seed} {cell} {pace}")
    recipe = {"cell": cell, "seed": draw.randrange(1000), "hidden_size": 16, "most_streams": 3, "noise": 0.05}
    port = free_port()
    server = servers.start(port)
    follower = Follower(port, recipe, pace, draw)
    with followed(follower) as trouble:
        for killed in range(kills):
            wait_for_session(follower, killed + 1, trouble)
            wait_for(follower, len(follower.updates) + 2, trouble)
            threading.Event().wait(draw.uniform(0, 1.2))
            server.kill()
            server = servers.start(port)
            follower.up = server.up
        wait_for_session(follower, kills + 1, trouble)
        wait_for(follower, len(follower.updates) + 20, trouble)
    server.kill()
    compare(follower)
    return follower


@contextmanager
def followed(follower: Follower) -> Iterator[list[BaseException]]:
    """It follows in a thread while the block lasts. What goes wrong there is in the list."""
    ended = threading.Event()
    trouble: list[BaseException] = []

    def follow() -> None:
        try:
            follower.follow(ended.is_set)
        except BaseException as error:
            trouble.append(error)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield trouble
    finally:
        ended.set()
        thread.join()
    assert trouble == []


def wait_for(follower: Follower, updates: int, trouble: list[BaseException], seconds: float = 30) -> None:
    come = _within(seconds, lambda: len(follower.updates) >= updates, trouble)
    assert come, f"update {updates} did not come within {seconds} s, at {len(follower.updates)}"


def wait_for_session(follower: Follower, number: int, trouble: list[BaseException], seconds: float = 30) -> None:
    """Until it is on its so many-eth connection: what comes before that may be left over from the one that is gone."""
    come = _within(seconds, lambda: follower.sessions >= number, trouble)
    assert come, f"it was not on connection {number} within {seconds} s"


def _within(seconds: float, holds: Callable[[], bool], trouble: list[BaseException]) -> bool:
    for _ in range(int(seconds * 100)):
        if trouble:
            raise trouble[0]
        if holds():
            return True
        threading.Event().wait(0.01)
    return False


def compare(follower: Follower) -> None:
    wanted: Any = uninterrupted(follower._recipe, follower.changes)
    for got in timeless(follower.updates):
        assert got == next(wanted), f"update {got['update']} of {len(follower.updates)}, changes {follower.changes}"
