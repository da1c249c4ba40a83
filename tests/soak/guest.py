"""A guest: comes, plays about at random, and goes in one way or another. What it hears must be in order."""

import asyncio
import json
import socket
import struct
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from random import Random
from time import monotonic
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.soak.recipes import PACES, any_change, any_mistake, any_recipe, any_views, diverging, largest

PATIENCE = 30.0
"""Seconds within which everything that was asked must be answered, on a busy machine."""

SHORT_SULK, LONG_SULK = 1.0, 12.0
"""Seconds without reading: the first is forgiven, the second more than the server waits for."""

FULL = 1013
MISSED_PONG = "keepalive ping timeout"
"""The server's reason for closing where no pong came in time: a guest's own process may have been too busy for it."""


class Misheard(AssertionError):
    """The server said something that it must not."""


def missed_pong(closed: ConnectionClosed) -> bool:
    return closed.rcvd is not None and closed.rcvd.reason == MISSED_PONG


class Guest:
    """One after another, connections of somebody who may take a run along from one to the next."""

    def __init__(self, url: str, draw: Random, tally: Counter[str]) -> None:
        self._url = url
        self._draw = draw
        self._tally = tally
        self._kept: tuple[bytes, int] | None = None

    async def visit(self) -> None:
        """One connection, from its first message to how it ends. Raises Misheard."""
        self._tally["visits"] += 1
        async with connect(
            self._url, max_size=None, compression=None, ping_interval=None, close_timeout=2, open_timeout=PATIENCE
        ) as wire:
            stay = Stay(wire, self._draw, self._tally)
            hearing = asyncio.create_task(stay.hear())
            doing = asyncio.create_task(self._stay(stay))
            try:
                done, _ = await asyncio.wait({hearing, doing}, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=lambda task: task is doing):
                    task.result()
            except ConnectionClosed as closed:
                self._ended(stay, closed)
            finally:
                for task in (hearing, doing):
                    task.cancel()
                await asyncio.gather(hearing, doing, return_exceptions=True)
        self._kept = stay.kept() if self._draw.random() < 0.5 else None

    def _ended(self, stay: "Stay", closed: ConnectionClosed) -> None:
        code = closed.rcvd.code if closed.rcvd else None
        if code == FULL:
            self._tally["turned away"] += 1
        elif stay.sulked:
            self._tally["let go"] += 1
        elif missed_pong(closed):
            self._tally["missed a pong"] += 1
        elif not stay.leaves:
            raise Misheard(f"the server closed: {closed}") from closed

    async def _stay(self, stay: "Stay") -> None:
        draw = self._draw
        if draw.random() < 0.1:
            await stay.err()
        if draw.random() < 0.1:
            return await stay.think_better_of_it()
        if self._kept:
            await stay.resume(*self._kept)
        else:
            await stay.open()
        acts: list[Callable[[], Awaitable[None]]] = [
            *[stay.play, stay.pause, stay.step, stay.pace, stay.change, stay.look, stay.ask, stay.err] * 3,
            stay.open,
            stay.take_up,
            stay.diverge,
            stay.sulk,
        ]
        for _ in range(draw.randint(1, 12)):
            await asyncio.sleep(draw.expovariate(2.0))
            await draw.choice(acts)()
        await draw.choice((stay.go, stay.go, stay.vanish, stay.vanish, stay.fall_silent))()


class Stay:
    """What one connection heard and is owed."""

    def __init__(self, wire: ClientConnection, draw: Random, tally: Counter[str]) -> None:
        self._wire = wire
        self._draw = draw
        self._tally = tally
        self._reading = asyncio.Event()
        self._reading.set()
        self.sulked = False
        self.leaves = False
        self.last = 0
        self._checkpoint: bytes | None = None
        self._comes_with = False  # the next binary frame belongs to the message before it
        self._opening: deque[tuple[int, int]] = deque()  # tag, and the update before the first that will come
        self._tag = 0
        self._owed_refusals = 0
        self._owed_checkpoints = 0

    def kept(self) -> tuple[bytes, int] | None:
        """The newest checkpoint and the last update heard, where they belong together."""
        if self._checkpoint is None or self._opening or self._comes_with:
            return None
        return self._checkpoint, self.last

    # ---------------------------------------------------------------- what it hears

    async def hear(self) -> None:
        while True:
            await self._reading.wait()
            heard = await self._wire.recv()
            if isinstance(heard, bytes):
                self._take(heard)
            else:
                await self._hear(orjson.loads(heard))

    def _take(self, checkpoint: bytes) -> None:
        if not self._comes_with:
            self._expect(self._owed_checkpoints > 0, "a checkpoint that nobody asked for")
            self._owed_checkpoints -= 1
        self._comes_with = False
        self._checkpoint = checkpoint

    async def _hear(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        self._expect(not self._comes_with, f"{kind} where a checkpoint must come")
        self._tally[f"heard {kind}"] += 1
        self._comes_with = kind in ("opened", "changed", "diverged", "checkpoint")
        match kind:
            case "updates":
                for update in message["updates"]:
                    self._expect(update["update"] == self.last + 1, f"{update['update']} after {self.last}")
                    self.last += 1
                self._tally["updates"] += len(message["updates"])
                await self._say(type="seen", update=self.last)
            case "opened":
                tag, self.last = self._opening.popleft()
                self._expect(message["tag"] == tag, f"opened {message['tag']}, not {tag}")
            case "error":
                self._expect(message["code"] != "failed", "the server says that it failed")
                self._expect(self._owed_refusals > 0, f"a refusal of what is right: {message}")
                self._owed_refusals -= 1
            case "diverged":
                self._expect(message["update"] == self.last + 1, f"diverged at {message['update']} after {self.last}")
            case "finished":
                self._expect(message["update"] == self.last, f"finished at {message['update']} after {self.last}")

    def _owed(self) -> str:
        """What was asked and is not answered."""
        owed = {
            "open": len(self._opening),
            "mistakes": self._owed_refusals,
            "checkpoint": self._owed_checkpoints + self._comes_with,
        }
        return ", ".join(name for name, count in owed.items() if count)

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise Misheard(otherwise)

    # ---------------------------------------------------------------- what it does

    async def open(self) -> None:
        draw = self._draw
        recipe = draw.choice((any_recipe, any_recipe, any_recipe, diverging))(draw)
        await self._announce(0, recipe=recipe, pace=draw.choice(PACES), views=any_views(draw))

    async def diverge(self) -> None:
        await self._announce(0, recipe=diverging(self._draw), pace="max")

    async def resume(self, checkpoint: bytes, after: int) -> None:
        await self._announce(after, resume=True, after=after, pace=self._draw.choice(PACES), play=True)
        await self._wire.send(checkpoint)
        self._tally["resumed"] += 1

    async def take_up(self) -> None:
        """Go on on the same connection from what it kept."""
        if kept := self.kept():
            await self.resume(*kept)

    async def play(self) -> None:
        await self._say(type="play")

    async def pause(self) -> None:
        await self._say(type="pause")

    async def step(self) -> None:
        for _ in range(self._draw.randint(1, 5)):
            await self._say(type="step")

    async def pace(self) -> None:
        await self._say(type="pace", pace=self._draw.choice(PACES))

    async def change(self) -> None:
        await self._say(type="change", **any_change(self._draw))

    async def look(self) -> None:
        await self._say(type="views", views=any_views(self._draw))

    async def ask(self) -> None:
        self._owed_checkpoints += 1
        await self._say(type="checkpoint")

    async def err(self) -> None:
        self._owed_refusals += 1
        await self._wire.send(any_mistake(self._draw))

    async def sulk(self) -> None:
        """Stop reading for a moment."""
        await self._ignore(self._draw.uniform(0.1, SHORT_SULK))

    # ---------------------------------------------------------------- how it goes

    async def go(self) -> None:
        """When all is answered that was asked."""
        waited = monotonic()
        while owed := self._owed():
            self._expect(monotonic() - waited < PATIENCE, f"no answer to {owed} in {PATIENCE:g} s")
            await asyncio.sleep(0.02)
        self.leaves = True
        await self._wire.close()
        self._tally["went"] += 1

    async def vanish(self) -> None:
        """The socket is torn, with a reset or without."""
        self.leaves = True
        if self._draw.random() < 0.5:
            raw = self._wire.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._wire.transport.abort()
        self._tally["vanished"] += 1

    async def think_better_of_it(self) -> None:
        """Vanish while the run is being made."""
        await self._announce(0, recipe=largest(self._draw))
        await asyncio.sleep(self._draw.uniform(0, 0.02))
        await self.vanish()

    async def fall_silent(self) -> None:
        """Read nothing any more, until the server has had enough, or not."""
        self.sulked = True
        await self._ignore(LONG_SULK)
        await self.vanish()

    async def _ignore(self, seconds: float) -> None:
        self._reading.clear()
        await asyncio.sleep(seconds)
        self._reading.set()

    async def _announce(self, before: int, **fields: Any) -> None:
        self._tag += 1
        self._opening.append((self._tag, before))
        await self._say(type="open", tag=self._tag, **fields)
        self._tally["opened"] += 1

    async def _say(self, **message: Any) -> None:
        await self._wire.send(json.dumps(message))
