"""Processes that do a piece of work whenever a line asks them to, so that two can be measured in turns."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Worker:
    """A module of this package that says `ready`, then answers each line with one of its own, mostly a number."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert self._read() == "ready"

    def __call__(self, line: object) -> float:
        return float(self.ask(line))

    def ask(self, line: object) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"{self._process.args} ended: {self._process.wait()}")
        return answer


@contextmanager
def worker(module: str, *arguments: str) -> Iterator[Worker]:
    command = [sys.executable, "-m", f"bench.{module}", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()
