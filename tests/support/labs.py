"""The graph lab as tests use it: small plans, guests at its socket, its processes."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from websockets.sync.client import connect

from model.lab import bench
from model.lab.plan import Plan, Planned
from model.lab.row import Row
from tests.conftest import Server

PATIENCE = 60


TINY = Plan(
    chunks=(
        Planned(phase="known", length=10, streams=1),
        Planned(phase="new", length=7, streams=1),
        Planned(phase="streams", length=4, streams=3),
        Planned(phase="streams", length=8, streams=2),
    ),
    hidden_size=8,
)


@cache
def ran(name: Any, plan: Plan = TINY, seconds: float = PATIENCE) -> Row:
    async def last() -> Row:
        async for event in bench.run(name, plan, seconds):
            if isinstance(event, Row):
                return event
        raise AssertionError

    return asyncio.run(last())


class Guest:
    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.plan = self.next()

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def next(self) -> dict[str, Any]:
        heard: dict[str, Any] = json.loads(self.socket.recv(PATIENCE))
        return heard

    def until(self, kind: str) -> list[dict[str, Any]]:
        heard = [self.next()]
        while heard[-1]["type"] != kind:
            heard.append(self.next())
        return heard


@contextmanager
def guest(server: Server) -> Iterator[Guest]:
    with connect(server.url.replace("http", "ws") + "/ws/graphs", max_size=None) as socket:
        yield Guest(socket)


def lab_processes(parent: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(parent)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "model.lab" in line]
