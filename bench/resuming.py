"""How long a viewer waits whose run is taken up 500 updates behind, against 500 updates of the bare learner."""

import asyncio
import json
import sys
from time import perf_counter

import orjson
from websockets.asyncio.client import connect

from bench.results import interleaved, ratio, record, spread
from bench.serving import serving
from bench.viewer import opened
from bench.workers import worker

BEHIND = 500
ROUNDS = 9
MOST_SECONDS = 1.0


async def resume(url: str, checkpoint: bytes, behind: int) -> float:
    """Seconds from the connection's first byte to the first update after those made again."""
    began = perf_counter()
    async with connect(url.replace("http", "ws") + "/ws/train", max_size=None, compression=None) as socket:
        await socket.send(json.dumps({"type": "open", "resume": True, "after": behind, "pace": "max", "play": True}))
        await socket.send(checkpoint)
        while isinstance(heard := await socket.recv(), bytes) or orjson.loads(heard)["type"] != "updates":
            pass
        assert orjson.loads(heard)["updates"][0]["update"] == behind + 1
        return perf_counter() - began


async def first_checkpoint(url: str) -> bytes:
    socket = await opened(url)
    await socket.send('{"type":"checkpoint"}')
    checkpoint = await socket.recv()
    await socket.close()
    assert isinstance(checkpoint, bytes)
    return checkpoint


def measure() -> bool:
    with serving() as url, worker("resuming", url) as ours, worker("learner") as bare:
        our_seconds, bare_seconds = interleaved(lambda: ours(BEHIND), lambda: bare(BEHIND), ROUNDS)
    figures = {
        f"taken up {BEHIND} updates behind, ms": spread([1000 * seconds for seconds in our_seconds], 0),
        f"{BEHIND} updates of the bare learner, ms": spread([1000 * seconds for seconds in bare_seconds], 0),
        "ratio": ratio(our_seconds, bare_seconds),
    }
    return record("resuming", figures, "under a second, always", max(our_seconds) < MOST_SECONDS)


if __name__ == "__main__":
    CHECKPOINT = asyncio.run(first_checkpoint(sys.argv[1]))
    asyncio.run(resume(sys.argv[1], CHECKPOINT, 100))
    print("ready", flush=True)
    for line in sys.stdin:
        print(asyncio.run(resume(sys.argv[1], CHECKPOINT, int(line))), flush=True)
