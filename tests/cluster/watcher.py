"""Viewers that follow their runs from server to server, and somebody who asks for predictions all the while."""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import httpx
from websockets.sync.client import ClientConnection

from tests.faults.follower import Follower
from tests.faults.kills import compare, wait_for
from tests.support.sockets import eventually
from tests.support.viewers import PATIENCE

CELLS = ("rnn", "gru", "lstm")


class Watcher(Follower):
    """Notes when each of its connections brought its first update."""

    def __init__(self, port: int, number: int, pace: float) -> None:
        draw = random.Random(number)
        cell = CELLS[number % len(CELLS)]
        recipe = {"cell": cell, "seed": number, "hidden_size": 16, "most_streams": 3, "noise": 0.05}
        super().__init__(port, recipe, pace, draw)
        self.resumed: list[float] = []  # of `time.time`
        self.stood_still: list[float] = []  # seconds, from the last update of one connection to the first of the next
        self.trouble: list[BaseException] = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._is_new = True
        self._last = 0.0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.ended.set()
        self._thread.join()

    def wait_for(self, further: int) -> None:
        wait_for(self, len(self.updates) + further, self.trouble, 4 * PATIENCE)

    def _watch(self) -> None:
        try:
            self.follow(self.ended.is_set)
        except BaseException as error:
            self.trouble.append(error)

    def _open(self, socket: ClientConnection) -> None:
        self._is_new = True
        super()._open(socket)

    def _take(self, socket: ClientConnection, updates: list[dict[str, Any]]) -> None:
        now = time.time()
        if self._is_new:
            self.resumed.append(now)
            if self.updates:
                self.stood_still.append(now - self._last)
        self._is_new, self._last = False, now
        super()._take(socket, updates)


@contextmanager
def watching(port: int, count: int, pace: float = 20) -> Iterator[list[Watcher]]:
    """So many viewers whose runs play. At the end each run is compared, to the bit, with one never interrupted."""
    watchers = [Watcher(port, number, pace) for number in range(count)]
    try:
        for watcher in watchers:
            watcher.start()
        for watcher in watchers:
            watcher.wait_for(5)
        yield watchers
    finally:
        for watcher in watchers:
            watcher.stop()
    for watcher in watchers:
        assert watcher.trouble == []
        compare(watcher)


class Asker:
    """Asks for a prediction again and again, each time on a new connection."""

    PAUSE_SECONDS = 0.05

    def __init__(self, url: str) -> None:
        self.answered: list[float] = []  # of `time.time`
        self.failed: list[tuple[float, str]] = []
        self._url = url + "/predict"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Asker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def wait_for_answer(self, since: float, seconds: float) -> None:
        """Until one came after this moment."""
        eventually(lambda: bool(self.answered) and self.answered[-1] > since, seconds, "predictions are made again")

    def longest_wait(self, since: float) -> float:
        """Seconds without an answer, at the worst."""
        moments = [since, *(moment for moment in self.answered if moment > since)]
        return max(later - earlier for earlier, later in pairwise(moments))

    def _ask(self) -> None:
        while not self._ended.wait(self.PAUSE_SECONDS):
            try:
                answer = httpx.post(self._url, content=json.dumps({"sequence": [0.0, 0.3, 0.6]}), timeout=30)
            except httpx.TransportError as error:
                self.failed.append((time.time(), type(error).__name__))
                continue
            if answer.status_code == 200:
                self.answered.append(time.time())
            else:
                self.failed.append((time.time(), str(answer.status_code)))
