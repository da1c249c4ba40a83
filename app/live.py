"""/ws/train: one viewer's connection, and the run that it owns."""

import asyncio
import logging
from asyncio import Queue, QueueEmpty
from dataclasses import asdict
from itertools import count
from time import monotonic

from fastapi import APIRouter, WebSocket
from pydantic import ValidationError

from app.connection import FAILED, FULL, REFUSED, Connection, Gone
from app.messages import (
    MAX_AFTER,
    Changed,
    DivergedAt,
    Finished,
    FromViewer,
    NetworkSummary,
    Open,
    Opened,
    Pause,
    Play,
    Seen,
    SetLive,
    SetPace,
    Step,
    Trouble,
    encode_updates,
)
from app.messages import Floors as FloorsShown
from app.metrics import Metrics
from app.models import ModelStore
from app.origins import is_allowed
from app.pacing import Pacing
from app.refusals import Refused
from app.settings import Settings
from app.trainer import Trainer
from model.checkpoint import Checkpoint, CheckpointError, versions
from model.floors import floors
from model.recipe import Recipe
from model.training import Diverged, Learner, Update, View

log = logging.getLogger("unrolled.live")

INBOX = 64
"""Messages that wait while the run is busy; a viewer that sends more waits too."""


def routes(trainer: Trainer, store: ModelStore, settings: Settings, metrics: Metrics) -> APIRouter:
    router = APIRouter()
    numbers = count(1)
    open_viewers: set[int] = set()

    @router.websocket("/ws/train")
    async def train(socket: WebSocket) -> None:
        # accepted even when refused: a browser is shown no code of a socket that never opened
        await socket.accept()
        connection = Connection(socket, settings.max_message_bytes, settings.idle_seconds)
        if not is_allowed(socket.headers, settings.allowed_origins):
            metrics.refusals.labels(reason="origin").inc()
            return await connection.close(REFUSED, "this origin may not connect")
        if len(open_viewers) >= settings.max_viewers:
            metrics.refusals.labels(reason="full").inc()
            return await connection.close(FULL, "the hall is full; try again later")
        number = next(numbers)
        open_viewers.add(number)
        metrics.viewers.inc()
        try:
            await Viewer(number, connection, trainer, store, metrics).serve()
        finally:
            open_viewers.discard(number)
            metrics.viewers.dec()

    return router


class Viewer:
    """One open websocket and its run.

    Two tasks share it: one always receives, so that a disconnect is seen at once; the other does all else, in
    order: it answers what came and makes updates while there is leave to.
    """

    def __init__(
        self,
        number: int,
        connection: Connection,
        trainer: Trainer,
        store: ModelStore,
        metrics: Metrics,
    ) -> None:
        self._number = number
        self._connection = connection
        self._trainer = trainer
        self._store = store
        self._metrics = metrics
        self._inbox: Queue[FromViewer | bytes | Refused] = Queue(INBOX)
        self._learner: Learner | None = None
        self._pacing = Pacing("max", False, 0, monotonic())
        self._views: frozenset[View] = frozenset()
        self._announced: Open | None = None
        self._catch_up_to = 0
        self._ready: list[Update] = []

    async def serve(self) -> None:
        """Serve the viewer until it goes."""
        log.info("viewer %d came", self._number)
        receiving = asyncio.create_task(self._receive(), name=f"viewer-{self._number}-receives")
        running = asyncio.create_task(self._run(), name=f"viewer-{self._number}-runs")
        try:
            done, _ = await asyncio.wait({receiving, running}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except Gone as gone:
            log.info("viewer %d: %s", self._number, gone)
        except Exception:
            log.exception("viewer %d: the run failed", self._number)
            await self._connection.close(FAILED, "the server failed; this is our mistake")
        finally:
            for task in (receiving, running):
                task.cancel()
            await asyncio.gather(receiving, running, return_exceptions=True)
            log.info("viewer %d went", self._number)

    # ---------------------------------------------------------------- what comes in

    async def _receive(self) -> None:
        while True:
            await self._inbox.put(await self._connection.receive())

    async def _run(self) -> None:
        while True:
            message = await self._next_message()
            if message is None:
                await self._advance()
            else:
                try:
                    await self._answer(message)
                except Refused as refused:
                    await self._tell_refusal(refused)

    async def _next_message(self) -> FromViewer | bytes | Refused | None:
        """What came, or None when it is time to make or send updates."""
        try:
            return self._inbox.get_nowait()
        except QueueEmpty:
            wait = self._until_advance()
        if wait == 0:
            return None
        try:
            async with asyncio.timeout(wait):
                return await self._inbox.get()
        except TimeoutError:
            return None

    async def _answer(self, message: FromViewer | bytes | Refused) -> None:
        if isinstance(message, Refused):
            raise message
        if isinstance(message, bytes):
            return await self._resume(message)
        if self._announced is not None:
            self._announced = None
            raise Refused("checkpoint_expected", "", "after `open` with `resume` one binary frame must come")
        if isinstance(message, Open):
            return await self._open(message)
        if self._learner is None:
            raise Refused("not_open", "type", f"the first message must be `open`, not {message.type!r}")
        match message:
            case Seen():
                self._pacing.seen = max(self._pacing.seen, min(message.update, self._learner.update))
            case Play():
                self._pacing.playing = True
            case Pause():
                self._pacing.pause()
            case Step():
                self._pacing.step()
            case SetPace():
                self._pacing.set_pace(message.pace, monotonic())
            case SetLive():
                await self._change(self._learner, message)

    # ---------------------------------------------------------------- the run

    async def _open(self, asked: Open) -> None:
        if asked.resume:
            self._announced = asked
            return
        weights = await self._weights(asked.recipe)
        try:
            learner = await self._trainer.begin(asked.recipe, weights, asked.changes)
        except ValidationError as error:
            raise Refused.of(error) from None
        except ValueError as error:
            raise Refused("conflict", "changes", f"changes: {error}") from None
        await self._start(learner, asked, after=0)

    async def _weights(self, recipe: Recipe) -> Checkpoint | None:
        if recipe.weights == "random":
            return None
        data = await asyncio.to_thread(self._store.read, recipe.weights, "recipe.weights")
        weights = Checkpoint.from_bytes(data)
        has, wants = weights.recipe, recipe
        if (has.cell, has.hidden_size) != (wants.cell, wants.hidden_size):
            detail = (
                f"model {wants.weights} is {has.cell} with hidden_size {has.hidden_size}, "
                f"not {wants.cell} with {wants.hidden_size}"
            )
            raise Refused("conflict", "recipe.weights, recipe.cell, recipe.hidden_size", detail)
        return weights

    async def _resume(self, data: bytes) -> None:
        asked, self._announced = self._announced, None
        if asked is None:
            raise Refused("checkpoint_unexpected", "", "a binary frame follows only an `open` with `resume`")
        try:
            learner = await self._trainer.resume(data)
        except (CheckpointError, ValueError) as error:
            raise Refused("bad_checkpoint", "checkpoint", f"checkpoint: {error}") from None
        after = learner.update if asked.after is None else asked.after
        if not learner.update <= after <= learner.update + MAX_AFTER:
            bounds = f"from {learner.update}, the checkpoint's update, to {learner.update + MAX_AFTER}"
            raise Refused("out_of_range", "after", f"after: Input should be {bounds}, not {after}")
        await self._start(learner, asked, after)

    async def _start(self, learner: Learner, asked: Open, after: int) -> None:
        self._learner = learner
        self._views = asked.views
        self._pacing = Pacing(asked.pace, asked.play, after, monotonic())
        self._catch_up_to = after
        self._ready.clear()
        recipe, network = learner.recipe, learner.network
        log.info("viewer %d opened %s seed %d at %d", self._number, recipe.cell, recipe.seed, learner.update)
        await self._connection.tell(
            Opened(
                recipe=recipe,
                changes=learner.changes,
                update=learner.update,
                window=self._pacing.window,
                network=NetworkSummary(
                    cell=recipe.cell,
                    hidden_size=recipe.hidden_size,
                    parameters=network.parameter_count(),
                    text=str(network),
                ),
                floors=FloorsShown(**asdict(floors(recipe))),
                versions=versions(),
            )
        )
        await self._hand_over(learner)

    async def _change(self, learner: Learner, message: SetLive) -> None:
        fields = message.model_dump(exclude={"type"}, exclude_unset=True, exclude_none=True)
        fields |= self._further_changes()
        await self._send_ready()
        try:
            change = await self._trainer.change(learner, fields)
        except ValueError as error:
            raise Refused("changes_full", "change", str(error)) from None
        await self._connection.tell(Changed.model_validate(change.model_dump()))
        await self._hand_over(learner)

    def _further_changes(self) -> dict[str, object]:
        """Changes that wait right behind this one, as from a slider: they count as one."""
        further: dict[str, object] = {}
        waiting = []
        while not self._inbox.empty():
            waiting.append(self._inbox.get_nowait())
        while waiting and isinstance(waiting[0], SetLive | Seen):
            message = waiting.pop(0)
            if isinstance(message, SetLive):
                further |= message.model_dump(exclude={"type"}, exclude_unset=True, exclude_none=True)
            elif isinstance(message, Seen) and self._learner is not None:
                self._pacing.seen = max(self._pacing.seen, min(message.update, self._learner.update))
        for message in waiting:
            self._inbox.put_nowait(message)
        return further

    def _until_advance(self) -> float | None:
        """Seconds until there is something to make or to send; None if a message must come first."""
        if self._learner is None:
            return None
        if self._learner.update < self._catch_up_to:
            return 0.0
        now = monotonic()
        waits = [self._pacing.until_update(self._learner.update, now)]
        if self._ready:
            waits.append(self._pacing.until_message(now))
        return min((wait for wait in waits if wait is not None), default=None)

    async def _advance(self) -> None:
        learner = self._learner
        assert learner is not None
        catching_up = learner.update < self._catch_up_to
        if catching_up:
            most = self._catch_up_to - learner.update
        else:
            most = self._pacing.allowance(learner.update, monotonic())
        if most:
            stop_at = 0 if catching_up else learner.recipe.stop_after
            turn = await self._trainer.advance(learner, most, self._views, stop_at)
            if not catching_up:
                self._pacing.made(len(turn.updates), monotonic())
                self._ready.extend(turn.updates)
            if turn.diverged:
                return await self._tell_divergence(turn.diverged)
            if not catching_up and learner.done:
                return await self._tell_finish(learner)
        if self._pacing.until_message(monotonic()) == 0:
            await self._send_ready()

    # ---------------------------------------------------------------- what goes out

    async def _send_ready(self) -> None:
        if self._ready:
            text = encode_updates(self._ready)
            self._ready.clear()
            self._pacing.sent(monotonic())
            await self._connection.send_text(text)

    async def _tell_finish(self, learner: Learner) -> None:
        self._pacing.pause()
        await self._send_ready()
        await self._connection.tell(Finished(update=learner.update))

    async def _tell_divergence(self, diverged: Diverged) -> None:
        self._pacing.pause()
        self._catch_up_to = 0
        await self._send_ready()
        log.info("viewer %d diverged at %d: %s", self._number, diverged.update, diverged.tensor)
        await self._connection.tell(DivergedAt(update=diverged.update, tensor=diverged.tensor))
        await self._connection.send_bytes(diverged.last_good.to_bytes())

    async def _tell_refusal(self, refused: Refused) -> None:
        self._metrics.refusals.labels(reason=refused.code).inc()
        log.info("viewer %d refused: %s", self._number, refused.code)
        await self._send_ready()
        await self._connection.tell(Trouble(code=refused.code, field=refused.field, detail=refused.detail))

    async def _hand_over(self, learner: Learner) -> None:
        await self._connection.send_bytes(await self._trainer.checkpoint(learner))
