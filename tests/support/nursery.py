"""Servers, and other processes, that are up in a moment: a process that has imported everything forks them.

Each is a process of its own, with sockets, signals and settings of its own, and so is its training process; only the
imports, which take two processes seconds of processor time each, were made before. They end with the tests, as workers
do with their parent.
"""

import faulthandler
import multiprocessing
import multiprocessing.forkserver
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import popen_spawn_posix, resource_tracker
from multiprocessing.connection import Connection, arbitrary_address
from multiprocessing.context import set_spawning_popen
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import IO, Any, Self

import uvicorn
import uvicorn._subprocess
from fastapi import FastAPI
from uvicorn.supervisors.multiprocess import SIGNALS

import app.cli
import app.live.connection
import app.main
import app.serving.listening
import app.serving.server
import app.training.child
import app.training.link
from app.live.pacing import Timing
from app.main import create_app
from app.serving.server import make_app
from app.settings import Settings
from app.training.process import main as train
from app.training.turns import Price
from tests.support.cost import ALL_UPDATES

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, "app.main", "app.serving.server", "tests.support.preloaded", "pytest"])


def fork_the_nursery() -> None:
    """Let the process that forks all others be a fork of this one, which has imported as much: half of its cost.

    For a process that has only begun: what it does later is in none of its servers. Else another is started when the
    first server is asked for.
    """
    forkserver = multiprocessing.forkserver._forkserver
    resource_tracker.ensure_running()
    with socket.socket(socket.AF_UNIX) as listener:
        address = arbitrary_address("AF_UNIX")
        listener.bind(address)
        listener.listen()
        ends, alive = os.pipe()
        with warnings.catch_warnings(action="ignore"):  # of threads, which are those that wait for orders
            process = os.fork()
        if process == 0:
            _serve(listener.detach(), ends)
        os.close(ends)
    forkserver._forkserver_address = address
    forkserver._forkserver_alive_fd = alive
    forkserver._forkserver_pid = process


def _serve(listener: int, ends: int) -> None:
    """Fork whenever it is asked for, without the files that pytest has open, and without what it hooks in."""
    try:
        sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
        sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__
        sys.unraisablehook = sys.__unraisablehook__
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        faulthandler.disable()
        kept = {0, 1, 2, listener, ends}
        for number in map(int, os.listdir("/dev/fd")):
            if number not in kept:
                with suppress(OSError):
                    os.close(number)
        multiprocessing.forkserver.main(listener, ends, ["tests.support.preloaded"])
    finally:
        os._exit(1)


@dataclass(frozen=True)
class World:
    """What a server takes its updates to cost, by which clock it paces them, and how long it waits for a viewer."""

    price: Price = ALL_UPDATES
    timing: Timing = field(default_factory=Timing)
    ping_seconds: float = app.serving.server.PING_SECONDS
    unread_seconds: int | None = None
    """After which one who reads nothing is let go, by the server and by the kernel; None: as everywhere else."""
    grace_seconds: float = app.serving.server.GRACE_SECONDS

    def become(self) -> None:
        """From now on this process is in it."""
        app.main.create_app = _Creates(self.timing)
        app.serving.server.PING_SECONDS = self.ping_seconds
        app.serving.server.GRACE_SECONDS = self.grace_seconds  # type: ignore[assignment]
        if self.unread_seconds is not None:
            app.live.connection.SEND_SECONDS = app.serving.listening.UNACKNOWLEDGED_SECONDS = self.unread_seconds


@dataclass(frozen=True)
class _Creates:
    """Makes an app that is paced in a world of its own; it can be handed to a worker."""

    timing: Timing

    def __call__(self, settings: Settings | None = None, child: app.training.child.Child | None = None) -> FastAPI:
        return create_app(settings, child, self.timing)


class Forked:
    """A server, with what is asked here of a `subprocess.Popen`. What it prints is read from `stdout`."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        world: World,
        command: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        reads, writes = _FORKS.Pipe(duplex=False)
        what = (list(arguments), dict(environment), folder, log, writes, world, command or unrolled)
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


def unrolled(arguments: Sequence[str]) -> None:
    """The command that a server is, unless told otherwise."""
    app.cli.main(arguments, prog_name="unrolled")


def with_uvicorn(arguments: Sequence[str]) -> None:
    """Another command: uvicorn's own."""
    app.training.link.Child = partial(_born, price=ALL_UPDATES)  # type: ignore[misc, assignment]
    uvicorn.main(arguments, prog_name="uvicorn")


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """What it returns in a process of its own, whose imports are those that a server has."""
    reads, writes = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=_answer, args=(function, arguments, writes))
    process.start()
    writes.close()
    try:
        return reads.recv()
    finally:
        process.join()


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...], output: Connection) -> None:
    output.send(function(*arguments))


def _become(
    arguments: list[str],
    environment: dict[str, str],
    folder: Path,
    log: Path,
    output: Connection,
    world: World,
    command: Callable[[Sequence[str]], None],
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
    world.become()
    uvicorn._subprocess.spawn = _Workers(world)  # type: ignore[assignment]
    command(arguments)


@dataclass(frozen=True)
class _Workers:
    """Makes a server's workers, in place of the context that spawns them. They too are forked."""

    world: World
    made: list[Any] = field(default_factory=list)

    def Process(self, target: Callable[..., None], kwargs: dict[str, Any]) -> BaseProcess:  # noqa: N802
        # ends of others' pipes, which nobody else holds where workers are spawned
        pipes = [end for other in self.made for end in (other.parent_conn, other.child_conn)]
        started = [other.process._popen.finalizer for other in self.made if other.process._popen]
        numbers = [number for finalizer in started if finalizer.still_active() for number in finalizer._args]
        self.made.append(kwargs["target"].__self__)
        args = (_handed_over((target, kwargs)), pipes, numbers)
        return multiprocessing.get_context("fork").Process(target=self._work, args=args)

    def _work(self, handed_over: bytes, pipes: list[Connection], numbers: list[int]) -> None:
        for end in pipes:
            end.close()
        for number in numbers:
            os.close(number)
        for number in SIGNALS:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        child = _born("main", self.world.price)
        target, kwargs = pickle.loads(handed_over)
        config = kwargs["config"]
        create, settings, _ = config.app.args
        config.app = partial(make_app, create, settings, child)
        target(**kwargs)


class _Spawning:
    """What is asked of a process that is spawned: how it is handed a file. One that is forked has all of them."""

    DupFd = popen_spawn_posix._DupFd

    def duplicate_for_child(self, number: int) -> int:
        return number


def _handed_over(what: Any) -> bytes:
    """As one that is spawned gets it."""
    set_spawning_popen(_Spawning())
    try:
        return bytes(ForkingPickler.dumps(what))
    finally:
        set_spawning_popen(None)


def trained(price: Price = ALL_UPDATES) -> app.training.child.Child:
    """A training process without a server."""
    child = app.training.child.Child.__new__(app.training.child.Child)
    child.socket, theirs = socket.socketpair()
    process = _FORKS.Process(target=_train, args=(theirs, price))
    process.start()
    theirs.close()
    child.process = _Training(process)  # type: ignore[assignment]
    return child


def _train(pipe: socket.socket, price: Price) -> None:
    train(pipe.detach(), price)


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


def _born(name: str, price: Price) -> app.training.child.Child:
    """The training process that a server starts with. One that replaces it is started as ever."""
    child = app.training.child.Child.__new__(app.training.child.Child)
    child.socket, theirs = socket.socketpair()
    if pid := os.fork():
        theirs.close()
        child.process = _Fork(pid)  # type: ignore[assignment]
        return child
    try:
        child.socket.close()  # it ends when the server's end is closed, by a kill too
        train(theirs.detach(), price)
    finally:
        os._exit(0)
