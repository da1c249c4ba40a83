"""Imports everything that a server needs, then forks a server for each port that it reads: it listens in a moment.

Each is a process of its own, which `kill -9` ends like any other; only the import, seconds of processor time, was made
before. Run by `tests.faults.servers`: a line of standard input is a port and a log file, the answer is a process id.
"""

import os
import signal
import sys

import app.cli  # what the command imports before it listens
import app.main  # noqa: F401
from app.server import serve
from app.settings import Settings


def become_server(port: int, log: str) -> None:
    number = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for stream in (1, 2):
        os.dup2(number, stream)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    serve(Settings(port=port))


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
