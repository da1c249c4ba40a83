"""`kill -9` at random moments of a run that a plain socket follows; the next server is on the same port."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.faults.curves import uninterrupted
from tests.faults.follower import Follower
from tests.faults.servers import Servers, free_port
from tests.support.viewers import timeless


def survive(
    servers: Servers, played: Sequence[tuple[str, float | str]], kills: int, seed: int, longest: float = 1.2
) -> list[Follower]:
    """Play runs, each of a cell and at a pace, through so many kills, and hold them to those never interrupted.

    A kill comes at a random moment, within `longest` seconds from when all have heard of their server.
    """
    draw = random.Random(f"{seed} {played}")
    port = free_port()
    server = servers.start(port)
    with ExitStack() as stack:
        following = []
        for cell, pace in played:
            recipe = {"cell": cell, "seed": draw.randrange(1000), "hidden_size": 16, "most_streams": 3, "noise": 0.05}
            follower = Follower(port, recipe, pace, random.Random(f"{seed} {cell} {pace}"))
            following.append((follower, stack.enter_context(followed(follower))))
        for killed in range(kills):
            for follower, trouble in following:
                wait_for_session(follower, killed + 1, trouble)
                wait_for(follower, len(follower.updates) + 2, trouble)
            threading.Event().wait(draw.uniform(0, longest))
            server.kill()
            server = servers.start(port)
            for follower, _ in following:
                follower.up = server.up
        for follower, trouble in following:
            wait_for_session(follower, kills + 1, trouble)
            wait_for(follower, len(follower.updates) + 20, trouble)
    server.kill()
    followers = [follower for follower, _ in following]
    for follower in followers:
        compare(follower)
    return followers


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
