"""/ws/graphs: the graph lab's quick kinds, run here and now. One run at a time; the others stand in line."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

from fastapi import APIRouter, WebSocket

from app.live.admission import Door, Hall
from app.live.connection import Connection, Gone
from app.protocol.lab import (
    Began,
    Cancel,
    Cancelled,
    ChunkDone,
    Done,
    Ended,
    FromGuest,
    PlanShown,
    RunKinds,
    SetUp,
    Waiting,
    read_from_guest,
)
from app.protocol.refusal import Refused
from model.lab import bench
from model.lab.kinds import KINDS, KindName, kind
from model.lab.plan import full_plan
from model.lab.row import Row

log = logging.getLogger("unrolled.lab")

MOST_WAITING = 16


class Line:
    """Who runs, and who waits for it, in order of asking."""

    def __init__(self) -> None:
        self._places: deque[object] = deque()
        self._moved = asyncio.Condition()

    @asynccontextmanager
    async def turn(self, waits: Callable[[int], Awaitable[None]]) -> AsyncIterator[None]:
        """Holds the turn for a block; `waits` hears how many are ahead, whenever that changes.

        Raises:
            Refused: too many wait already.
        """
        if len(self._places) > MOST_WAITING:
            raise Refused("busy", "", f"{MOST_WAITING} wait already; try again in a minute")
        place = object()
        self._places.append(place)
        try:
            while ahead := self._places.index(place):
                await waits(ahead)
                async with self._moved:
                    await self._moved.wait_for(lambda: self._places.index(place) < ahead)
            yield
        finally:
            self._places.remove(place)
            async with self._moved:
                self._moved.notify_all()


class Guest:
    """One open websocket: what comes in is answered here, its run is a task beside it."""

    def __init__(self, connection: Connection[FromGuest], line: Line, seconds: float) -> None:
        self._connection = connection
        self._line = line
        self._seconds = seconds
        self._plan = full_plan()
        self._run: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Serve the guest until it goes; its run goes with it."""
        try:
            await self._connection.tell(PlanShown(chunks=self._plan.chunks, kinds=tuple(kind(name) for name in KINDS)))
            await self._connection.converse(self._answer)
        except Gone:
            log.info("gone at once")
        finally:
            await self._cancel()

    async def _answer(self, message: FromGuest | bytes | Refused) -> None:
        match message:
            case Refused():
                raise message
            case bytes():
                raise Refused("wrong_type", "", "the lab takes text messages only")
            case Cancel():
                await self._cancel()
                await self._connection.tell(Cancelled())
            case RunKinds():
                self._check(message.kinds)
                self._run = asyncio.create_task(self._run_all(message.kinds), name="lab")

    def _check(self, kinds: tuple[KindName, ...]) -> None:
        if self._run is not None and not self._run.done():
            raise Refused("conflict", "type", "a run is under way; cancel it first")
        if len(set(kinds)) < len(kinds):
            raise Refused("conflict", "kinds", "kinds: each kind at most once")
        if long := [name for name in kinds if not kind(name).cheap]:
            detail = f"kinds: {long[0]} compiles for minutes; `unrolled graphs {long[0]}` runs it in a terminal"
            raise Refused("out_of_range", "kinds", detail)

    async def _cancel(self) -> None:
        if self._run is not None:
            self._run.cancel()
            await asyncio.gather(self._run, return_exceptions=True)
            self._run = None

    async def _run_all(self, kinds: tuple[KindName, ...]) -> None:
        async def waits(ahead: int) -> None:
            await self._connection.tell(Waiting(ahead=ahead))

        try:
            async with self._line.turn(waits):
                for name in kinds:
                    await self._run_one(name)
            await self._connection.tell(Done())
        except Refused as refused:
            await self._connection.refuse(refused)
        except Gone:
            log.info("gone during its run")  # the task that receives is told too
        except Exception:
            log.exception("the lab's run failed")
            await self._connection.fail()

    async def _run_one(self, name: KindName) -> None:
        async with aclosing(bench.run(name, self._plan, self._seconds)) as events:
            async for event in events:
                if isinstance(event, Row):
                    await self._connection.tell(Ended(row=event))
                elif event["event"] == "began":
                    await self._connection.tell(Began(kind=name, framework=kind(name).framework))
                elif event["event"] == "setup":
                    await self._connection.tell(SetUp(kind=name, **_but_event(event, "errors")))
                else:
                    await self._connection.tell(ChunkDone(kind=name, **_but_event(event)))


def _but_event(event: dict[str, object], *others: str) -> dict[str, object]:
    return {name: value for name, value in event.items() if name not in ("event", *others)}


def routes(hall: Hall) -> APIRouter:
    router = APIRouter()
    line = Line()
    door = Door(read_from_guest, hall)

    @router.websocket("/ws/graphs")
    async def graphs(socket: WebSocket) -> None:
        await door.admit(socket, lambda connection: Guest(connection, line, hall.settings.lab_seconds).serve())

    return router
