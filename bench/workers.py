"""Processes that do a piece of work whenever a line asks them to, so that two can be measured in turns."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


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
def worker(module: str, *arguments: str, build: Path | None = None) -> Iterator[Worker]:
    """A worker; with another build's Python where that is named, for modules that import nothing of this package."""
    start = [sys.executable, "-m", f"bench.{module}"]
    if build is not None:
        start = [str(build / ".venv/bin/python"), "-P", str(Path(__file__).with_name(f"{module}.py"))]
    with subprocess.Popen(
        [*start, *arguments], cwd=build, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()


@contextmanager
def on_one_core() -> Iterator[None]:
    """Workers that start within share one core: what works in threads gains nothing by them."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def answer(asked: Callable[[str], float]) -> None:
    """A worker's side: be ready, then answer each line of standard input."""
    print("ready", flush=True)
    for line in sys.stdin:
        print(asked(line), flush=True)
