"""Imports everything that a server needs, then forks a server for each port that it reads: it listens in a moment.

Each is a process of its own, which `kill -9` ends like any other, and so is its training process; only the import,
seconds of processor time, was made before. Run by `tests.faults.servers`: a line of standard input is a port and a log
file, the answer is a process id.
"""

import os
import signal
import socket
import sys

import app.cli  # what the command imports before it listens
import app.main  # noqa: F401
from app.child import Child
from app.server import serve
from app.settings import Settings
from app.training_process import main as train


class Forked:
    """A process with what a Child asks of one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        os.waitpid(self.pid, 0)


def born() -> Child:
    """A training process that has imported everything already."""
    child = Child.__new__(Child)
    child.socket, theirs = socket.socketpair()
    if pid := os.fork():
        theirs.close()
        child.process = Forked(pid)  # type: ignore[assignment]
        return child
    try:
        child.socket.close()  # it ends when the server's end is closed, by a kill too
        train("torch", theirs.detach())
    finally:
        os._exit(0)


def become_server(port: int, log: str) -> None:
    number = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for stream in (1, 2):
        os.dup2(number, stream)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    serve(Settings(port=port), born())


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a server ended
    print("ready", flush=True)
    for line in sys.stdin:
        port, log = line.split()
        if child := os.fork():
            print(child, flush=True)
        else:
            try:
                become_server(int(port), log)
            finally:
                os._exit(0)


if __name__ == "__main__":
    main()
