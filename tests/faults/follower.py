"""A viewer on a plain socket that keeps the newest checkpoint and goes on with it, as the page does."""

import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

WITH_CHECKPOINT = ("opened", "changed", "checkpoint")
RATES = (0.001, 0.005, 0.01, 0.02, 0.03)
CHANGE_SECONDS = 0.25
"""Between two changes on the average."""


class Follower:
    """`updates` are all that it ever got, in order: one that is missing or comes twice fails at once."""

    def __init__(self, port: int, recipe: dict[str, Any], pace: float | str, draw: random.Random) -> None:
        self.updates: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.sessions = 0
        self.recoveries: list[float] = []  # seconds, from the time that `is_up` told to the next update
        self.closes: list[int | None] = []
        self.up = 0.0
        self._url = f"ws://127.0.0.1:{port}/ws/train"
        self._recipe = recipe
        self._pace = pace
        self._draw = draw
        self._checkpoint: bytes | None = None
        self._next_change = time.monotonic() + CHANGE_SECONDS

    def follow(self, enough: Callable[[], bool]) -> None:
        while not enough():
            try:
                with connect(self._url, max_size=None, compression=None, open_timeout=5, close_timeout=1) as socket:
                    self._open(socket)
                    while not enough():
                        self._hear(socket)
            except ConnectionClosed as closed:
                self.closes.append(closed.rcvd.code if closed.rcvd else None)
            except (OSError, EOFError, InvalidHandshake):
                threading.Event().wait(0.005)

    def _open(self, socket: ClientConnection) -> None:
        self.sessions += 1
        self._announced = False
        if self._checkpoint is None:
            assert not self.updates, "every run comes with a checkpoint before its first update"
            socket.send(json.dumps({"type": "open", "recipe": self._recipe, "pace": self._pace}))
        else:
            after = len(self.updates)
            socket.send(json.dumps({"type": "open", "resume": True, "after": after, "pace": self._pace}))
            socket.send(self._checkpoint)

    def _hear(self, socket: ClientConnection) -> None:
        try:
            heard = socket.recv(0.2)
        except TimeoutError:
            return
        if isinstance(heard, bytes):
            assert self._announced, "no checkpoint was asked for"
            self._checkpoint, self._announced = heard, False
            return
        message = json.loads(heard)
        kind = message.pop("type")
        self._announced = kind in WITH_CHECKPOINT
        if kind == "opened":
            self._recipe, self.changes = message["recipe"], message["changes"]
        elif kind == "changed":
            self._note(message)
        elif kind == "updates":
            self._take(socket, message["updates"])
        else:
            assert kind == "checkpoint", (kind, message)

    def _note(self, change: dict[str, Any]) -> None:
        if self.changes and self.changes[-1]["after_update"] == change["after_update"]:
            self.changes[-1] |= change
        else:
            self.changes.append(change)

    def _take(self, socket: ClientConnection, updates: list[dict[str, Any]]) -> None:
        if self.up:
            self.recoveries.append(time.time() - self.up)
            self.up = 0.0
        for update in updates:
            assert update["update"] == len(self.updates) + 1, "one is missing, or came twice"
            self.updates.append(update)
        socket.send(json.dumps({"type": "seen", "update": len(self.updates)}))
        if time.monotonic() > self._next_change:
            self._next_change = time.monotonic() + self._draw.uniform(0, 2 * CHANGE_SECONDS)
            fields = {"learning_rate": self._draw.choice(RATES)}
            if self._draw.random() < 0.5:
                fields = {"carry_state": self._draw.random() < 0.5}
            socket.send(json.dumps({"type": "change", **fields}))
