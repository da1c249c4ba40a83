"""A client that costs little: keep-alive connections that send the same request again and again."""

import asyncio
import time
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter
from urllib.parse import urlsplit

import uvloop


@dataclass(frozen=True)
class Load:
    """What a server made of a flood, and what the flood itself took of a CPU."""

    rate: float  # requests per second
    p50: float  # milliseconds
    p99: float  # milliseconds
    client: float  # microseconds of CPU for each request


def request(url: str, path: str, body: bytes | None) -> bytes:
    host = urlsplit(url).netloc
    if body is None:
        return f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def flood(url: str, path: str, body: bytes, connections: int, seconds: float) -> Load:
    """While every connection asks again as soon as it has its answer."""
    return uvloop.run(_flood(url, request(url, path, body), connections, seconds))


async def _flood(url: str, asked: bytes, connections: int, seconds: float) -> Load:
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    taken: list[float] = []
    opened = []
    for _ in range(connections):
        ended = loop.create_future()
        transport, _ = await loop.create_connection(lambda: _Asking(asked, taken, ended), parts.hostname, parts.port)  # noqa: B023
        opened.append((transport, ended))
    began, cpu = perf_counter(), time.process_time()
    for transport, _ in opened:
        transport.get_protocol().ask()
    await asyncio.wait([ended for _, ended in opened], timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    lasted, cpu = perf_counter() - began, time.process_time() - cpu
    for transport, ended in opened:
        transport.close()
        if not ended.cancel():
            ended.result()
    if not taken:
        raise TimeoutError(f"no answer in {seconds} s")
    return Load(len(taken) / lasted, 1000 * median(taken), 1000 * quantiles(taken, n=100)[98], 1e6 * cpu / len(taken))


class _Asking(asyncio.Protocol):
    """One connection. Answers must be 200 and have a length."""

    def __init__(self, asked: bytes, taken: list[float], ended: "asyncio.Future[None]") -> None:
        self._asked = asked
        self._taken = taken
        self._ended = ended
        self._came = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def ask(self) -> None:
        self._came = b""
        self._began = perf_counter()
        self._transport.write(self._asked)

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, ends, body = self._came.partition(b"\r\n\r\n")
        if not ends:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._end(RuntimeError(head[:200]))
        elif len(body) == _length(head):
            self._taken.append(perf_counter() - self._began)
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or RuntimeError("the server closed the connection"))

    def _end(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)


def _length(head: bytes) -> int:
    return int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])


async def latencies(url: str, path: str, body: bytes | None, count: int, pause: float) -> list[float]:
    """Milliseconds of `count` requests, one after another with a pause in between."""
    parts = urlsplit(url)
    asked = request(url, path, body)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    taken = []
    for _ in range(count):
        await asyncio.sleep(pause)
        began = perf_counter()
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head[:200])
        await reader.readexactly(_length(head))
        taken.append(1000 * (perf_counter() - began))
    writer.close()
    return taken
