"""A long day of a server in a short time: guests of every kind at once, and what it holds meanwhile and afterwards."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Any

import httpx
import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.conftest import Server
from tests.soak.guest import PATIENCE, Guest, Misheard, missed_pong
from tests.soak.readings import Reading, read
from tests.soak.recipes import any_question

GUESTS = 14
"""At a time; each comes again, as somebody else, when it went."""

REGULARS = 2
"""Who stay all the time, play, and must hear every update."""

STARVED_SECONDS = PATIENCE
"""A regular at a pace of 2 that heard nothing for so long was forgotten."""

SEATS = 20
"""Of the server: who vanished keeps one until that is noticed, so now and then the hall is full."""

EMPTY_SECONDS = 60.0
"""How long is waited for a server to notice that everybody has gone."""

LONGEST = 10
"""Times as long as was asked for is waited on a busy machine, until enough has happened."""


@dataclass
class Soaked:
    """How it was."""

    idle: Reading
    """Before the first guest."""
    seconds: float
    """How long it was to be, at the least."""
    readings: list[Reading] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    trouble: list[str] = field(default_factory=list)
    empty: Reading | None = None
    """When all had gone."""


KEPT_SECONDS = 2.0
"""How long `/predict`'s connections are kept: the server closes idle ones after 5, and one must not send just then."""


async def soak(
    server: Server,
    seed: int,
    seconds: float,
    every: float,
    lacks: Callable[[Soaked], Sequence[str]],
    tell: Callable[[Soaked], None] = lambda soaked: None,
) -> Soaked:
    """Let guests in for so long and until nothing is lacking, and look at the server every so many seconds.

    `tell` hears of each look.
    """
    soaked = Soaked(await at_rest(server), seconds)
    over = asyncio.Event()
    began = monotonic()
    draws = (Random(f"{seed} {number}") for number in range(10**6))
    limits = httpx.Limits(keepalive_expiry=KEPT_SECONDS)
    async with httpx.AsyncClient(base_url=server.url, timeout=30, limits=limits) as client:
        lives = [
            *(again(guest(server, next(draws), soaked.tally), over, soaked) for _ in range(GUESTS)),
            *(again(lambda: stays(server, over, soaked.tally), over, soaked) for _ in range(REGULARS)),
            again(asks(client, next(draws), soaked.tally), over, soaked),
            again(streams(server, next(draws), soaked.tally), over, soaked),
        ]
        living = [asyncio.create_task(life) for life in lives]
        while (now := monotonic() - began) < seconds or (lacks(soaked) and now < LONGEST * seconds):
            await asyncio.sleep(every)
            try:
                soaked.readings.append(await read(server, monotonic() - began))
            except httpx.HTTPError as wrong:
                soaked.trouble.append(f"/metrics: {type(wrong).__name__}: {wrong}")
            tell(soaked)
        over.set()
        await asyncio.gather(*living)
    gone = monotonic()
    while True:
        soaked.empty = await read(server, monotonic() - began)
        if is_like(soaked.empty, soaked.idle) or monotonic() > gone + EMPTY_SECONDS:
            return soaked
        await asyncio.sleep(0.5)


async def at_rest(server: Server) -> Reading:
    """A server that has started all that it starts, at the latest for its first viewer."""
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await client.post("/predict", json={"sequence": [0.5]})
    async with connect(server.ws) as wire:
        await wire.send('{"type":"open","pace":20}')
        while isinstance(heard := await wire.recv(), bytes) or orjson.loads(heard)["type"] != "updates":
            pass
    before = await read(server, 0.0)
    while True:
        await asyncio.sleep(1.0)
        now = await read(server, 0.0)
        if is_like(now, before):
            return now
        before = now


def is_like(one: Reading, other: Reading) -> bool:
    """Whether as many files, tasks and viewers are there."""
    return (one.files, one.tasks, one.viewers) == (other.files, other.tasks, other.viewers)


async def again(visit: Callable[[], Awaitable[None]], over: asyncio.Event, soaked: Soaked) -> None:
    """One visit after another until it is over. What goes wrong is noted, and the next one comes."""
    while not over.is_set():
        try:
            await visit()
        except Exception as wrong:
            if isinstance(wrong, ConnectionClosed) and missed_pong(wrong):
                soaked.tally["missed a pong"] += 1
            else:
                soaked.trouble.append(f"{type(wrong).__name__}: {wrong}")
            await asyncio.sleep(1)


def guest(server: Server, draw: Random, tally: Counter[str]) -> Callable[[], Awaitable[None]]:
    return Guest(server.ws, draw, tally).visit


async def stays(server: Server, over: asyncio.Event, tally: Counter[str]) -> None:
    """Look on at pace 2 all the time."""
    async with connect(server.ws, max_size=None, compression=None, ping_interval=None) as wire:
        await wire.send('{"type":"open","pace":2}')
        last = 0
        while not over.is_set():
            try:
                async with asyncio.timeout(STARVED_SECONDS):
                    heard = await wire.recv()
            except TimeoutError:
                raise Misheard(f"a regular heard nothing for {STARVED_SECONDS:g} s after update {last}") from None
            message: dict[str, Any] = {} if isinstance(heard, bytes) else orjson.loads(heard)
            for update in message.get("updates", ()):
                if update["update"] != last + 1:
                    raise Misheard(f"a regular heard {update['update']} after {last}")
                last += 1
                tally["updates of regulars"] += 1
            await wire.send(json.dumps({"type": "seen", "update": last}))


def asks(client: httpx.AsyncClient, draw: Random, tally: Counter[str]) -> Callable[[], Awaitable[None]]:
    async def ask() -> None:
        """A few predictions at once, of any shape."""
        await asyncio.sleep(draw.expovariate(3.0))
        bodies = [any_question(draw) for _ in range(draw.randint(1, 4))]
        for answer in await asyncio.gather(*(client.post("/predict", json=body) for body in bodies)):
            if answer.status_code not in (200, 422, 503):
                raise Misheard(f"/predict answered {answer.status_code}: {answer.text[:200]}")
            tally[f"/predict {answer.status_code}"] += 1

    return ask


def streams(server: Server, draw: Random, tally: Counter[str]) -> Callable[[], Awaitable[None]]:
    async def stream() -> None:
        """A sequence in pieces of any length, over `/ws/predict`."""
        async with connect(server.url.replace("http", "ws") + "/ws/predict", ping_interval=None) as wire:
            for _ in range(draw.randint(1, 20)):
                length = draw.randint(1, 1000)
                await wire.send(json.dumps({"type": "sample", "x": [0.5] * length}))
                answer = orjson.loads(await wire.recv())
                if answer["type"] != "prediction" or len(answer["y"]) != length:
                    raise Misheard(f"no prediction of {length} samples: {str(answer)[:200]}")
                tally["streamed"] += 1
                await asyncio.sleep(draw.expovariate(3.0))
            if draw.random() < 0.5:
                wire.transport.abort()

    return stream
