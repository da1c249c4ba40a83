"""How long a viewer waits whose run is taken up 500 updates behind, against 500 updates of the bare learner."""

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import orjson
from websockets.asyncio.client import connect

from bench.results import interleaved, ratio, record, spread
from bench.serving import serving
from bench.viewer import opened
from bench.workers import worker

BEHIND = 500
ROUNDS = 9
MOST = 45.0  # milliseconds


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


def measure(against: Path | None) -> bool:
    with ExitStack() as stack:
        bare = stack.enter_context(worker("bare_learner"))
        viewers = [
            stack.enter_context(worker("resuming", stack.enter_context(serving(build=build))))
            for build in ((None, against) if against else (None,))
        ]
        takes = [lambda one=one: 1000 * one(BEHIND) for one in (bare, *viewers)]
        bare_took, ours, *others = interleaved(ROUNDS, *takes)
    figures: dict[str, Any] = {
        f"taken up {BEHIND} updates behind, ms": spread(ours),
        f"{BEHIND} updates of the bare learner, ms": spread(bare_took),
        "ratio": ratio(ours, bare_took),
    }
    for other in others:
        figures |= {"the other build, ms": spread(other), "to the other build": ratio(ours, other)}
    return record("resuming", figures, f"within {MOST:.0f} ms, in the middle", median(ours) <= MOST)


if __name__ == "__main__":
    CHECKPOINT = asyncio.run(first_checkpoint(sys.argv[1]))
    asyncio.run(resume(sys.argv[1], CHECKPOINT, 100))
    print("ready", flush=True)
    for line in sys.stdin:
        print(asyncio.run(resume(sys.argv[1], CHECKPOINT, int(line))), flush=True)
