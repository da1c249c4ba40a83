"""A server to measure: ours, as anyone would start it, on a free port and with an empty model folder."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def command(build: Path | None = None) -> list[str]:
    """What starts our server, or that of another build: a checkout with a `.venv` of its own."""
    scripts = build / ".venv/bin" if build else Path(sys.executable).parent
    return [str(scripts / "unrolled"), "serve", "--port", "0"]


@dataclass(frozen=True)
class Host:
    """A server that runs: where, and as which process."""

    url: str
    pid: int


@contextmanager
def serving(start: Sequence[str] | None = None, build: Path | None = None) -> Iterator[str]:
    """Its URL, once it is ready. `start` is another command that prints `… is at URL`."""
    with hosting(start, build) as host:
        yield host.url


@contextmanager
def hosting(start: Sequence[str] | None = None, build: Path | None = None, **settings: object) -> Iterator[Host]:
    """The server, once it is ready, with these settings; another build's starts in its own checkout.

    Elsewhere its training process, which Python looks for in the working folder first, would be of the build there.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"UNROLLED_MODELS_DIR": folder, "UNROLLED_LOG_LEVEL": "warning"}
        environment |= {f"UNROLLED_{name.upper()}": str(value) for name, value in settings.items()}
        with subprocess.Popen(
            start or command(build), cwd=build, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield Host(ready(process), process.pid)
            finally:
                process.terminate()
                process.wait(10)


def ready(process: subprocess.Popen[str]) -> str:
    """Wait until the server says that it is ready. Returns its URL."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert " is at " in line, line
    url = line.split(" is at ")[1].strip()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return url
        except urllib.error.URLError:
            pass
        time.sleep(0.002)
    raise TimeoutError("the server never became ready")
