"""Servers that are killed, and the next one on the same port in a moment."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import Server, running
from tests.support.nursery import World

GONE_SECONDS = 30.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@dataclass(frozen=True)
class Running:
    """A server, and when it said that it listens (of `time.time`)."""

    server: Server
    up: float

    @property
    def port(self) -> int:
        return self.server.port

    def kill(self) -> None:
        """Returns when it is gone, so that the next one can have its port."""
        self.server.process.kill()
        self.server.process.wait(GONE_SECONDS)

    def terminate(self) -> None:
        """Ask it to stop: it tells its viewers 1012. Returns when it is gone."""
        self.server.process.terminate()
        self.server.process.wait(GONE_SECONDS)


class Servers:
    """Starts servers that share a folder of models."""

    def __init__(self, folder: Path, ending: ExitStack, world: World | None) -> None:
        self._folder = folder
        self._world = world
        self._ending = ending
        self._started: list[Server] = []

    def start(self, port: int) -> Running:
        folder = self._folder / str(len(self._started))
        folder.mkdir()
        starting = running(folder, port, world=self._world, models_dir=self._folder / "models")
        server = self._ending.enter_context(starting)
        self._started.append(server)
        return Running(server, time.time())

    def log(self) -> str:
        """Of all of them."""
        return "".join(server.log.read_text() for server in self._started)


@contextmanager
def servers(folder: Path, world: World | None = None) -> Iterator[Servers]:
    """They end with the block."""
    with ExitStack() as ending:
        yield Servers(folder, ending, world)
