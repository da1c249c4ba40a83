"""What a server holds, its training process included, read from outside."""

from dataclasses import dataclass

import httpx

from bench.processes import open_files, resident_bytes, threads
from tests.conftest import Server


@dataclass(frozen=True)
class Reading:
    """One look at a server."""

    seconds: float
    resident: float
    """Megabytes of memory."""
    threads: int
    files: int
    tasks: int
    viewers: int


async def read(server: Server, seconds: float) -> Reading:
    pid = server.process.pid
    resident, running, files = resident_bytes(pid) / 1e6, threads(pid), open_files(pid)
    async with httpx.AsyncClient() as client:
        lines = (await client.get(server.url + "/metrics", timeout=30)).text.splitlines()
    numbers = dict(line.rsplit(" ", 1) for line in lines if line.startswith(("unrolled_tasks ", "unrolled_viewers ")))
    tasks, viewers = (int(float(numbers[name])) for name in ("unrolled_tasks", "unrolled_viewers"))
    return Reading(seconds, resident, running, files, tasks, viewers)
