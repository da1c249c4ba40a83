"""Servers that are killed, and the next one on the same port in a moment."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.nursery import Forked

UP_SECONDS = 20.0
GONE_SECONDS = 30.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@dataclass(frozen=True)
class Running:
    """A server process, and when it was first seen to accept a connection (of `time.time`)."""

    process: Forked
    port: int
    up: float

    def kill(self) -> None:
        """Returns when it is gone, so that the next one can have its port."""
        self.process.kill()
        self.process.wait(GONE_SECONDS)

    def terminate(self) -> None:
        """Ask it to stop: it tells its viewers 1012. Returns when it is gone."""
        self.process.terminate()
        self.process.wait(GONE_SECONDS)


class Servers:
    """Starts servers that share a folder."""

    def __init__(self, folder: Path, ending: ExitStack) -> None:
        self.log = folder / "server.log"
        self._folder = folder
        self._ending = ending

    def start(self, port: int) -> Running:
        environment = os.environ | {"UNROLLED_MODELS_DIR": str(self._folder / "models")}
        process = Forked(["serve", "--port", str(port)], environment, self._folder, self.log)
        self._ending.enter_context(process)
        deadline = time.monotonic() + UP_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.001)
        return Running(process, port, time.time())


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """They end with the block."""
    with ExitStack() as ending:
        yield Servers(folder, ending)
