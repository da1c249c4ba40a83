"""Servers that are up in a moment: a process that has imported everything forks them.

Each is a process of its own, with sockets, signals and settings of its own, and so is its training process; only the
imports, which take two processes seconds of processor time each, were made before. They end with the tests, as workers
do with their parent.
"""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Self

import app.child
import app.cli
import app.server
from app.main import create_app
from app.pacing import Timing
from app.training_process import Price
from app.training_process import main as train
from tests.support.cost import ALL_UPDATES

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, "app.main", "app.server"])


@dataclass(frozen=True)
class World:
    """What a server takes its updates to cost, by which clock it paces them, and how long a pong may take."""

    price: Price = ALL_UPDATES
    timing: Timing = field(default_factory=Timing)
    ping_seconds: float = app.server.PING_SECONDS


class Forked:
    """A server, with what is asked here of a `subprocess.Popen`. What it prints is read from `stdout`."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path, world: World
    ) -> None:
        reads, writes = _FORKS.Pipe(duplex=False)
        what = (list(arguments), dict(environment), folder, log, writes, world)
        self._process = _FORKS.Process(target=_become, args=what)
        self._process.start()
        writes.close()
        self.stdout: IO[str] = os.fdopen(os.dup(reads.fileno()))
        reads.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send_signal(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative where a signal ended it.

        Raises:
            subprocess.TimeoutExpired: it goes on.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("unrolled", timeout or 0)
        return self._process.exitcode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.kill()
        self.wait()
        self.stdout.close()


def _become(
    arguments: list[str], environment: dict[str, str], folder: Path, log: Path, output: Connection, world: World
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for number, standard in ((os.open(os.devnull, os.O_RDONLY), 0), (output.fileno(), 1), (errors, 2)):
        os.dup2(number, standard)
    output.close()
    sys.stdin, sys.stdout, sys.stderr = (open(number, "rw"[number > 0], closefd=False) for number in range(3))  # noqa: SIM115
    app.cli.Child = partial(_born, price=world.price)  # type: ignore[misc, assignment]
    app.server.create_app = partial(create_app, timing=world.timing)
    app.server.PING_SECONDS = world.ping_seconds
    app.cli.main(arguments, prog_name="unrolled")


def trained(price: Price = ALL_UPDATES) -> app.child.Child:
    """A training process for PyTorch's runs, without a server."""
    child = app.child.Child.__new__(app.child.Child)
    child.socket, theirs = socket.socketpair()
    process = _FORKS.Process(target=_train, args=(theirs, price))
    process.start()
    theirs.close()
    child.process = _Training(process)  # type: ignore[assignment]
    return child


def _train(pipe: socket.socket, price: Price) -> None:
    train("torch", pipe.detach(), price)


class _Training:
    """A forked process, with what a Child asks of a `subprocess.Popen`."""

    def __init__(self, process: BaseProcess) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self._process = process

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> None:
        self._process.join()


class _Fork:
    """Such a process, forked here and now."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        os.waitpid(self.pid, 0)


def _born(framework: str, price: Price) -> app.child.Child:
    """The training process that a server starts with. One that replaces it is started as ever."""
    child = app.child.Child.__new__(app.child.Child)
    child.socket, theirs = socket.socketpair()
    if pid := os.fork():
        theirs.close()
        child.process = _Fork(pid)  # type: ignore[assignment]
        return child
    try:
        child.socket.close()  # it ends when the server's end is closed, by a kill too
        train(framework, theirs.detach(), price)
    finally:
        os._exit(0)
