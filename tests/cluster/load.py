"""Who uses a cluster while it is under repair: viewers who follow their runs, and questions without end."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from websockets.sync.client import ClientConnection

from tests.faults.follower import Follower
from tests.faults.kills import compare, wait_for
from tests.support.viewers import PATIENCE

PLAYED = ((20, "rnn"), (20, "gru"), (20, "lstm"), (60, "gru"))
"""Each viewer's pace and cell. At pace max it would take minutes to make all of it again afterwards."""

PAUSE_SECONDS = 0.01
"""Between an answer and the next question."""


class Viewer(Follower):
    """A viewer who looks at the clock."""

    def __init__(self, port: int, recipe: dict[str, Any], pace: float | str, draw: random.Random) -> None:
        super().__init__(port, recipe, pace, draw)
        self._last = 0.0
        self.longest_wait = 0.0
        """Seconds between two messages with updates, at the most, since it was last set to nothing."""

    def _take(self, socket: ClientConnection, updates: list[dict[str, Any]]) -> None:
        now = time.monotonic()
        if self._last:
            self.longest_wait = max(self.longest_wait, now - self._last)
        self._last = now
        super()._take(socket, updates)


class Questions:
    """POST /predict, one question after the other: on a connection that is kept, or on a new one each."""

    def __init__(self, url: str, keeps: bool) -> None:
        self.statuses: list[int] = []
        self.slowest = 0.0
        """Seconds that an answer took at the most."""
        self._url = url
        self._keeps = keeps

    def ask(self, enough: Callable[[], bool]) -> None:
        with httpx.Client(timeout=PATIENCE, headers={} if self._keeps else {"Connection": "close"}) as client:
            while not enough():
                began = time.monotonic()
                answer = client.post(self._url, json={"sequence": [0.0, 0.5, 1.0, 0.5]})
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.statuses.append(answer.status_code)
                threading.Event().wait(PAUSE_SECONDS)


class Load:
    """All of them at once, each in a thread. Where it does not ask, there are viewers only."""

    def __init__(self, port: int, seed: int, asks: bool) -> None:
        self.trouble: list[BaseException] = []
        self.viewers = []
        for number, (pace, cell) in enumerate(PLAYED):
            draw = random.Random(f"{seed} {number}")
            recipe = {"cell": cell, "seed": draw.randrange(1000), "hidden_size": 16, "most_streams": 3, "noise": 0.05}
            self.viewers.append(Viewer(port, recipe, pace, draw))
        url = f"http://127.0.0.1:{port}/predict"
        self.questions = [Questions(url, keeps) for keeps in (True, False)] if asks else []

    def goes_on(self, updates: int = 20, answers: int = 20) -> None:
        """Wait until every viewer has had so many more updates, and so many more questions were answered."""
        wanted = [len(viewer.updates) + updates for viewer in self.viewers]
        for viewer, count in zip(self.viewers, wanted, strict=True):
            wait_for(viewer, count, self.trouble, 2 * PATIENCE)
        for asking in self.questions:
            count = len(asking.statuses) + answers
            deadline = time.monotonic() + PATIENCE
            while len(asking.statuses) < count:
                assert not self.trouble, self.trouble
                assert time.monotonic() < deadline, "no more answers"
                threading.Event().wait(0.01)

    def forgets_the_clock(self) -> None:
        for viewer in self.viewers:
            viewer.longest_wait = 0.0
        for asking in self.questions:
            asking.slowest = 0.0

    @property
    def longest_waits(self) -> list[float]:
        return [viewer.longest_wait for viewer in self.viewers]

    @property
    def slowest_answer(self) -> float:
        return max((asking.slowest for asking in self.questions), default=0.0)

    def was_served(self) -> None:
        """Every question was answered, and every run is the one that was never interrupted, to the bit."""
        for asking in self.questions:
            assert set(asking.statuses) == {200}, asking.statuses
        for viewer in self.viewers:
            compare(viewer)


@contextmanager
def load(port: int, seed: int, asks: bool = True) -> Iterator[Load]:
    """For a block; its threads have ended behind it."""
    made = Load(port, seed, asks)
    over = threading.Event()

    def until_over(work: Callable[[Callable[[], bool]], None]) -> None:
        try:
            work(over.is_set)
        except BaseException as error:
            made.trouble.append(error)

    works = [viewer.follow for viewer in made.viewers] + [asking.ask for asking in made.questions]
    threads = [threading.Thread(target=until_over, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        made.goes_on()
        yield made
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert made.trouble == []
