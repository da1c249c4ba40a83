"""A viewer in a process of its own: opens a run at pace max, reads every update and says that it has seen it."""

import asyncio
import json
import sys
from time import perf_counter

import orjson
from websockets.asyncio.client import ClientConnection, connect


async def opened(url: str, seed: int = 1) -> ClientConnection:
    """A connection whose run has begun, paused."""
    socket = await connect(url.replace("http", "ws") + "/ws/train", max_size=None, compression=None)
    await socket.send(json.dumps({"type": "open", "recipe": {"seed": seed}, "pace": "max", "play": False}))
    first = json.loads(await socket.recv())
    assert first["type"] == "opened", first
    assert isinstance(await socket.recv(), bytes)
    return socket


async def watch(socket: ClientConnection, until: int) -> None:
    """Play, and read up to that update, acknowledging each message."""
    await socket.send('{"type":"play"}')
    update = 0
    while update < until:
        heard = await socket.recv()
        message = {"type": "checkpoint"} if isinstance(heard, bytes) else orjson.loads(heard)
        if message["type"] == "checkpoint":  # that nobody asked for, and what says so
            continue
        if message["type"] != "updates":
            raise RuntimeError(message)
        for shown in message["updates"]:
            assert shown["update"] == update + 1
            update = shown["update"]
        await socket.send(f'{{"type":"seen","update":{update}}}')


async def updates(url: str, count: int) -> float:
    """Seconds from `play` to the arrival of update `count`."""
    socket = await opened(url)
    began = perf_counter()
    await watch(socket, count)
    seconds = perf_counter() - began
    await socket.close()
    return seconds


if __name__ == "__main__":
    asyncio.run(updates(sys.argv[1], 100))
    print("ready", flush=True)
    for line in sys.stdin:
        print(asyncio.run(updates(sys.argv[1], int(line))), flush=True)
