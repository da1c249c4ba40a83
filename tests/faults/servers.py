"""Servers that are killed, and the next one on the same port in a moment."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
UP_SECONDS = 20.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@dataclass(frozen=True)
class Running:
    """A server process, and when it was first seen to accept a connection (of `time.time`)."""

    pid: int
    port: int
    up: float

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to stop: it tells its viewers 1012. Returns when it is gone."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
            while True:  # gone, so that the next one can have its port
                os.kill(self.pid, 0)
                time.sleep(0.001)


class Servers:
    """Starts servers from a process that has imported everything already."""

    def __init__(self, folder: Path, nursery: subprocess.Popen[str]) -> None:
        self.log = folder / "server.log"
        self._nursery = nursery
        self._started: list[Running] = []
        self._asking = threading.Lock()

    def start(self, port: int) -> Running:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        with self._asking:
            self._nursery.stdin.write(f"{port} {self.log}\n")
            self._nursery.stdin.flush()
            pid = int(self._nursery.stdout.readline())
        deadline = time.monotonic() + UP_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.001)
        self._started.append(Running(pid, port, time.time()))
        return self._started[-1]

    def stop_all(self) -> None:
        for server in self._started:
            server.kill()


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    environment = os.environ | {"UNROLLED_MODELS_DIR": str(folder / "models")}
    command = [sys.executable, "-m", "tests.faults.nursery"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:
        assert nursery.stdout is not None
        made = Servers(folder, nursery)
        try:
            assert nursery.stdout.readline() == "ready\n"
            yield made
        finally:
            made.stop_all()
            nursery.kill()
