"""A viewer for tests: a real websocket that speaks the protocol and checks what it hears against the schema."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from app.protocol.train import to_viewer
from model.checkpoint import Checkpoint

PATIENCE = 30
"""Seconds that a message may take on a busy machine before a test fails."""


class TestViewer:
    """One open websocket. Messages come out in order, checkpoints as bytes."""

    __test__ = False

    def __init__(self, socket: ClientConnection, url: str) -> None:
        self.socket = socket
        self.url = url
        self.unasked: list[tuple[int, bytes]] = []

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def next(self, patience: float = PATIENCE) -> Any:
        """The next message as a dict that fits the schema, or a checkpoint's bytes. Raises TimeoutError.

        A checkpoint that comes unasked is kept aside as `unasked`.
        """
        heard = self.socket.recv(patience)
        if isinstance(heard, bytes):
            return heard
        to_viewer.validate_json(heard)
        message = json.loads(heard)
        if message["type"] == "checkpoint":
            checkpoint = self.socket.recv(PATIENCE)
            assert isinstance(checkpoint, bytes)
            self.unasked.append((message["update"], checkpoint))
            return self.next(patience)
        return message

    def open(self, **fields: Any) -> dict[str, Any]:
        """Open a new run; the `opened` message. Its checkpoint has been read too, and kept."""
        self.send(type="open", **fields)
        return self.opened()

    def resume(self, checkpoint: bytes, **fields: Any) -> dict[str, Any]:
        self.send(type="open", resume=True, **fields)
        self.socket.send(checkpoint)
        return self.opened()

    def opened(self) -> dict[str, Any]:
        message = self.until("opened")
        self.checkpoint = self.next()
        assert isinstance(self.checkpoint, bytes)
        return message

    def until(self, kind: str) -> dict[str, Any]:
        """The next message of this kind; updates before it are acknowledged, anything else fails the test."""
        while True:
            message = self.next()
            if isinstance(message, dict) and message["type"] == kind:
                return message
            assert isinstance(message, dict), f"a checkpoint came before {kind}"
            assert message["type"] == "updates", message
            self.seen(message["updates"][-1]["update"])

    def seen(self, update: int) -> None:
        self.send(type="seen", update=update)

    def updates(self, count: int) -> list[dict[str, Any]]:
        """The next updates, acknowledged as they come; exactly this many must come out even."""
        got: list[dict[str, Any]] = []
        while len(got) < count:
            got += self.until("updates")["updates"]
            self.seen(got[-1]["update"])
        return got

    def is_silent(self, seconds: float = 0.5) -> bool:
        """Whether nothing comes for a while."""
        try:
            self.next(seconds)
        except TimeoutError:
            return True
        return False

    def kept(self, acknowledge: bool = True) -> bytes:
        """The run's checkpoint, on request. Updates that come before it are read, and may be acknowledged."""
        self.send(type="checkpoint")
        while isinstance(heard := self.next(), dict):
            assert heard["type"] == "updates", heard
            if acknowledge:
                self.seen(heard["updates"][-1]["update"])
        assert isinstance(heard, bytes)
        return heard

    def rests(self, beside: str | None = None) -> int:
        """Where the run stands, and stays while another one at pace 60 goes on, on this server or on that at `beside`.

        Nothing is acknowledged.
        """
        before = self.kept(acknowledge=False)
        with viewer(beside or self.url) as other:
            other.open(pace=60)
            other.updates(6)
        assert self.kept(acknowledge=False) == before
        return Checkpoint.from_bytes(before).run.update

    def refusal(self, **message: Any) -> dict[str, Any]:
        """What the server answers to a message that it refuses."""
        self.send(**message)
        return self.until("error")


@contextmanager
def viewer(url: str, **options: Any) -> Iterator[TestViewer]:
    with connect(url, max_size=None, compression=None, **options) as socket:
        yield TestViewer(socket, url)


def timeless(updates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Updates without what depends on a clock."""
    return [{name: value for name, value in update.items() if name != "milliseconds"} for update in updates]
