"""Many viewers in one process, each as a page is: they read every update, say what they have seen, and measure the lag.

A line of standard input is a command of `Crowd`, with its arguments; the answer is a line of JSON.
"""

import asyncio
import json
import random
import sys
import threading
from array import array
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from time import perf_counter, process_time
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import uvloop

from bench.lag import Arrivals, lags
from bench.wire import Wire

FRAME_SECONDS = 1 / 60
"""A page says what it has seen once a frame at the most."""

GRACE_SECONDS = 0.1
"""An update that is so late at the end of a measurement is missing."""

AT_A_TIME = 16
"""Viewers that come in at the same moment."""

UPDATES = b'{"type":"updates","updates":[{"update":'
UPDATE = b'{"update":'


def recipe(number: int, mixed: bool) -> dict[str, Any]:
    """Of the viewer with that number: the default with a seed of its own or, in a mixed hall, what people might try."""
    if not mixed:
        return {"seed": number}
    draw = random.Random(number)
    return {
        "seed": number,
        "cell": draw.choice(("rnn", "rnn", "rnn", "gru", "lstm")),
        "hidden_size": draw.choice((8, 16, 32, 32, 32, 48, 64)),
        "optimizer": draw.choice(("adam", "adam", "sgd")),
        "learning_rate": round(10 ** draw.uniform(-3, -1.5), 5),
        "longest": draw.choice((1, 2, 3, 3, 4)),
        "most_streams": draw.choice((1, 1, 1, 2, 4)),
        "noise": draw.choice((0.0, 0.0, 0.05)),
    }


class Viewer(Wire):
    """One run that plays. An update that is lost or comes twice is trouble."""

    def __init__(self, url: str, opening: dict[str, Any], late: "Late") -> None:
        super().__init__(url, "/ws/train")
        self.learns = asyncio.get_running_loop().create_future()  # until its first update
        self.trouble: list[str] = []
        self.last = 0
        self.leaves = False
        self.gone = asyncio.get_running_loop().create_future()
        self.forget()
        self._opening = json.dumps({"type": "open"} | opening).encode()
        self._late = late
        self._answered = 0.0

    def forget(self) -> None:
        """Arrivals are those from now on."""
        self._before = self.last
        self._at, self._last = array("d"), array("q")

    @property
    def arrivals(self) -> Arrivals:
        return Arrivals(self._before, self._at, self._last)

    @property
    def updates(self) -> int:
        """How many came since `forget`."""
        return self.last - self._before

    @property
    def messages(self) -> int:
        return len(self._at)

    def opened(self) -> None:
        self.send(self._opening)

    def text(self, data: bytes, start: int, end: int) -> None:
        if data.startswith(UPDATES, start):
            self._hear(data, start, end)
        else:
            self._hear_other(json.loads(data[start:end]))

    def _hear(self, data: bytes, start: int, end: int) -> None:
        at = start + len(UPDATES)
        first = last = int(data[at : data.index(b",", at)])
        newest = data.rfind(UPDATE, at, end)
        if newest > 0:
            newest += len(UPDATE)
            last = int(data[newest : data.index(b",", newest)])
            if data.count(UPDATE, at, end) != last - first:
                self.trouble.append(f"not each once from {first} to {last}")
        if first != self.last + 1:
            self.trouble.append(f"{first} after {self.last}")
        if not self.last:
            self.learns.set_result(None)
        now = perf_counter()
        self.last = last
        self._at.append(now)
        self._last.append(last)
        if now - self._answered >= FRAME_SECONDS:
            self.answer(now)
        else:
            self._late.add(self)

    def _hear_other(self, message: dict[str, Any]) -> None:
        if message["type"] not in ("opened", "checkpoint"):
            self.trouble.append(json.dumps(message))

    def answer(self, now: float) -> None:
        """Say which update it has drawn."""
        self._answered = now
        self.send(b'{"type":"seen","update":%d}' % self.last)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.leaves:
            self.trouble.append(f"lost the connection: {exc or self.close_code}")
        self._late.discard(self)
        self.gone.set_result(None)
        if not self.learns.done():
            self.learns.set_result(None)


class Late:
    """Viewers that heard something sooner than a frame after their last answer: they answer at the next frame."""

    def __init__(self) -> None:
        self._viewers: set[Viewer] = set()

    def add(self, viewer: Viewer) -> None:
        if not self._viewers:
            asyncio.get_running_loop().call_later(FRAME_SECONDS, self._answer)
        self._viewers.add(viewer)

    def discard(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)

    def _answer(self) -> None:
        now = perf_counter()
        for viewer in self._viewers:
            viewer.answer(now)
        self._viewers.clear()


@dataclass(frozen=True)
class Seen:
    """What all viewers together saw in a while. Lags are in milliseconds, all else in seconds or numbers."""

    viewers: int
    seconds: float
    cpu_seconds: float
    """Of this process, which is not the server's."""
    messages: int
    updates: int
    missing: int
    lag_p50: float
    lag_p99: float
    lag_most: float
    trouble: tuple[str, ...]
    """The first few; empty where nothing was lost, doubled or refused."""


class Crowd:
    """The viewers of one hall, and what can be asked of them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._viewers: list[Viewer] = []
        self._paces: list[float | None] = []
        self._late = Late()

    async def join(self, count: str, pace: str, recipes: str) -> int:
        """That many more come in, at a pace in numbers or `max`, with `plain` or `mixed` recipes. All of them there."""
        door = asyncio.Semaphore(AT_A_TIME)
        coming = range(len(self._viewers) + 1, len(self._viewers) + 1 + int(count))
        await asyncio.gather(*(self._come(number, pace, recipes == "mixed", door) for number in coming))
        return len(self._viewers)

    async def leave(self) -> int:
        """All say goodbye. How many there were."""
        left = len(self._viewers)
        for viewer in self._viewers:
            viewer.leaves = True
            viewer.close()
        await asyncio.gather(*(viewer.gone for viewer in self._viewers))
        self._viewers.clear()
        self._paces.clear()
        return left

    async def play(self) -> int:
        return self._tell(b'{"type":"play"}')

    async def pause(self) -> int:
        return self._tell(b'{"type":"pause"}')

    async def warm(self, seconds: str) -> int:
        """Look on for some seconds, by which lags are measured afterwards."""
        for viewer in self._viewers:
            viewer.forget()
        await asyncio.sleep(float(seconds))
        return len(self._viewers)

    async def watch(self, seconds: str) -> dict[str, Any]:
        """Look on for some seconds that count, behind `warm`: what was seen."""
        warm, warm_cpu, updates, messages = perf_counter(), process_time(), self._updates, self._messages
        await asyncio.sleep(float(seconds))
        until, cpu = perf_counter(), process_time()
        late, missing = self._lags(warm, until)
        p50, p99, most = np.percentile(late, (50, 99, 100)) if late.size else (0.0, 0.0, 0.0)
        trouble = [text for viewer in self._viewers for text in viewer.trouble]
        seen = Seen(
            viewers=len(self._viewers),
            seconds=until - warm,
            cpu_seconds=cpu - warm_cpu,
            messages=self._messages - messages,
            updates=self._updates - updates,
            missing=missing,
            lag_p50=1000 * p50,
            lag_p99=1000 * p99,
            lag_most=1000 * most,
            trouble=tuple(trouble[:5]),
        )
        return asdict(seen)

    @property
    def _updates(self) -> int:
        return sum(viewer.updates for viewer in self._viewers)

    @property
    def _messages(self) -> int:
        return sum(viewer.messages for viewer in self._viewers)

    def _lags(self, warm: float, until: float) -> tuple[np.ndarray, int]:
        found = [
            lags(viewer.arrivals, pace, warm, until, GRACE_SECONDS)
            for viewer, pace in zip(self._viewers, self._paces, strict=True)
            if pace is not None
        ]
        late = [one for one, _ in found]
        return np.concatenate(late) if late else np.empty(0), sum(missing for _, missing in found)

    async def _come(self, number: int, pace: str, mixed: bool, door: asyncio.Semaphore) -> None:
        number_of_pace = None if pace == "max" else float(pace)
        opening = {"recipe": recipe(number, mixed), "pace": number_of_pace or "max"}
        parts = urlsplit(self._url)
        assert parts.hostname is not None
        assert parts.port is not None
        loop = asyncio.get_running_loop()
        async with door:
            _, viewer = await loop.create_connection(
                lambda: Viewer(self._url, opening, self._late), parts.hostname, parts.port
            )
            self._viewers.append(viewer)
            self._paces.append(number_of_pace)
            async with asyncio.timeout(60):
                await viewer.learns

    def _tell(self, message: bytes) -> int:
        for viewer in self._viewers:
            viewer.send(message)
        return len(self._viewers)


async def serve(crowd: Crowd, lines: Iterable[str]) -> None:
    ask: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in lines:
            loop.call_soon_threadsafe(ask.put_nowait, line)
        loop.call_soon_threadsafe(ask.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    while (line := await ask.get()) is not None:
        command, *arguments = line.split()
        print(json.dumps(await getattr(crowd, command)(*arguments)), flush=True)


async def main() -> None:
    await serve(Crowd(sys.argv[1]), sys.stdin)


if __name__ == "__main__":
    print("ready", flush=True)
    uvloop.run(main())
