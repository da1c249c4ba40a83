"""A client that costs little: keep-alive connections that send the same request again and again."""

import asyncio
import sys
from time import perf_counter
from urllib.parse import urlsplit


def request(url: str, path: str, body: bytes | None) -> bytes:
    host = urlsplit(url).netloc
    if body is None:
        return f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The body of one answer, which must be a 200 of announced length."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(head[:200])
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


async def flood(url: str, path: str, body: bytes, connections: int, seconds: float) -> float:
    """Requests per second while every connection asks again as soon as it has its answer."""
    asked = request(url, path, body)
    parts = urlsplit(url)
    assert parts.hostname is not None
    done = 0
    stop = perf_counter() + seconds

    async def ask() -> None:
        nonlocal done
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while perf_counter() < stop:
            writer.write(asked)
            await answer(reader)
            done += 1
        writer.close()

    began = perf_counter()
    await asyncio.gather(*(ask() for _ in range(connections)))
    return done / (perf_counter() - began)


async def latencies(url: str, path: str, body: bytes | None, count: int, pause: float) -> list[float]:
    """Milliseconds of `count` requests, one after another with a pause in between."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    asked = request(url, path, body)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    taken = []
    for _ in range(count):
        await asyncio.sleep(pause)
        began = perf_counter()
        writer.write(asked)
        await answer(reader)
        taken.append(1000 * (perf_counter() - began))
    writer.close()
    return taken


if __name__ == "__main__":  # URL PATH BODY; each line asks for `connections seconds`
    print("ready", flush=True)
    for line in sys.stdin:
        connections, seconds = line.split()
        one = flood(sys.argv[1], sys.argv[2], sys.argv[3].encode(), int(connections), float(seconds))
        print(asyncio.run(one), flush=True)
