"""The committed configuration in a real HAProxy, before servers on this machine."""

import csv
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.faults.servers import free_port
from tests.support.sockets import eventually
from tests.support.viewers import PATIENCE

CONFIG = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"
SBIN = ":/usr/sbin:/usr/local/sbin"
"""Where Debian has it; not on everybody's path."""

NOBODY = "127.0.0.1:1"
"""No server has this address."""


def command() -> str:
    found = shutil.which("haproxy", path=os.environ["PATH"] + SBIN)
    assert found, "these tests need HAProxy; on Debian: apt-get install haproxy"
    return found


@dataclass(frozen=True)
class Proxy:
    """A running HAProxy."""

    port: int
    operator_port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/train"

    def rows(self, backend: str) -> dict[str, dict[str, str]]:
        """What it says of each server of a backend, in HAProxy's own words."""
        text = httpx.get(f"http://127.0.0.1:{self.operator_port}/;csv", timeout=PATIENCE).text
        table = csv.DictReader(text.removeprefix("# ").splitlines())
        return {row["svname"]: row for row in table if row["pxname"] == backend and row["svname"] in ("one", "two")}

    def deals_to(self, *names: str, backend: str = "ready") -> bool:
        """Whether these are the servers that have passed their last check, and no others."""
        rows = self.rows(backend)
        passed = {name for name, row in rows.items() if row["status"] == "UP" and row["check_status"] == "L7OK"}
        return passed == set(names)


@contextmanager
def haproxy(folder: Path, one: str, two: str = NOBODY, port: int = 0, **options: str) -> Iterator[Proxy]:
    """HAProxy before servers, each `address:port`; options are the configuration's variables without their PROXY_."""
    port, operator_port = port or free_port(), free_port()
    environment = os.environ | {
        "SERVER_ONE": one,
        "SERVER_TWO": two,
        "PROXY_LISTEN": f"127.0.0.1:{port}",
        "PROXY_METRICS_LISTEN": f"127.0.0.1:{operator_port}",
        "PROXY_DNS": NOBODY,
        **{f"PROXY_{name.upper()}": value for name, value in options.items()},
    }
    log = folder / f"haproxy-{port}.log"
    with (
        log.open("ab") as lines,
        subprocess.Popen([command(), "-db", "-f", CONFIG], env=environment, stdout=lines, stderr=lines) as process,
    ):
        made = Proxy(port, operator_port, process, log)
        try:
            expected = [name for name, address in (("one", one), ("two", two)) if address != NOBODY]
            eventually(lambda: answers(made) and made.deals_to(*expected), PATIENCE, "its servers have passed a check")
            yield made
        finally:
            process.send_signal(signal.SIGTERM)


def answers(proxy: Proxy) -> bool:
    assert proxy.process.poll() is None, proxy.log.read_text()
    try:
        return proxy.rows("ready") != {}
    except httpx.TransportError:
        return False
