"""Viewer: one open websocket, from its first `open` until it goes."""

import asyncio
import logging
from collections.abc import Sized

from pydantic import ValidationError

from app.live.alarm import Alarm
from app.live.connection import FAILED, Connection, Gone
from app.live.inbox import Inbox
from app.live.opening import Opening, opened, seen_up_to
from app.live.pacing import Timing
from app.live.playback import Playback
from app.protocol.refusal import Refused
from app.protocol.train import (
    AskCheckpoint,
    Changed,
    CheckpointFollows,
    Finished,
    FromViewer,
    Open,
    Pause,
    Ping,
    Play,
    Pong,
    Seen,
    SetLive,
    SetPace,
    SetViews,
    Step,
)
from app.protocol.updates import updates_text
from app.store.models import ModelStore
from app.telemetry.metrics import Metrics
from app.training.link import ProcessLost, Run
from app.training.trainer import NotOffered, Trainer
from model.play import PlayState
from model.tensorflow.program import NotInstalled

log = logging.getLogger("unrolled.live")


class Viewer:
    """One open websocket and its run.

    Two tasks share it: one always receives, so that a disconnect is seen at once; the other does all else, in
    order: it answers what came and makes updates while there is leave to.
    """

    def __init__(
        self,
        connection: Connection[FromViewer],
        trainer: Trainer,
        store: ModelStore,
        metrics: Metrics,
        everybody: Sized,
        timing: Timing,
    ) -> None:
        self._everybody = everybody
        self._connection = connection
        self._trainer = trainer.on_an_account()
        self._store = store
        self._metrics = metrics
        self._timing = timing
        self._inbox = Inbox()
        self._alarm = Alarm()
        self._playback: Playback | None = None
        self._opening = Opening()
        self._owed = 0  # checkpoints that were asked for of a run that is still being made up

    @property
    def inbox_bytes(self) -> int:
        """Bytes that the viewer sent and nobody has read yet."""
        return self._inbox.bytes

    @property
    def is_behind(self) -> bool:
        """Whether updates come slower than the viewer asked for."""
        return self._playback is not None and self._playback.per_second is not None

    async def serve(self) -> None:
        """Serve the viewer until it goes."""
        receiving = asyncio.create_task(self._receive(), name=f"{self._connection.name} receives")
        running = asyncio.create_task(self._run(), name=f"{self._connection.name} runs")
        try:
            done, _ = await asyncio.wait({receiving, running}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except Gone as gone:
            log.info("gone: %s", gone)
        except ProcessLost as lost:
            log.error("%s", lost)
            await self._connection.close(FAILED, "the training process has ended; resume from your checkpoint")
        except Exception:
            log.exception("the run failed")
            await self._connection.fail()
        finally:
            for task in (receiving, running):
                task.cancel()
            await asyncio.gather(receiving, running, return_exceptions=True)
            self._playback = None
            self._trainer.let_go()

    # ---------------------------------------------------------------- what comes in

    async def _receive(self) -> None:
        while True:
            message = await self._connection.receive()
            if isinstance(message, Ping):
                await self._connection.tell(Pong())  # not in line: the line may be waiting for training
            elif isinstance(message, Seen) and self._playback is not None and self._inbox.empty():
                self._playback.seen(message.update)  # at once: it is most of what comes, and has no answer
            else:
                await self._inbox.put(message)
            self._alarm.ring()

    async def _run(self) -> None:
        while True:
            message = await self._next_message()
            if message is None:
                assert self._playback is not None
                await self._advance(self._playback)
            else:
                try:
                    await self._answer(message)
                except Refused as refused:
                    await self._tell_refusal(refused)

    async def _next_message(self) -> FromViewer | bytes | Refused | None:
        """Wait for the next message; None when it is time to make or send updates instead."""
        while self._inbox.empty():
            wait = self._playback.wait(self._trainer.is_loaded) if self._playback else None
            if wait == 0:
                return None
            await self._alarm.sleep(wait)
        return self._inbox.get_nowait()

    async def _answer(self, message: FromViewer | bytes | Refused) -> None:
        if isinstance(message, Refused):
            raise message
        assert not isinstance(message, Ping), "it is answered where it is received"
        if isinstance(message, bytes):
            return await self._resume(message)
        of_run_before = isinstance(message, Seen) and self._playback is not None  # it may have been on its way already
        if self._opening.waits and not of_run_before:
            refused = self._opening.give_up_waiting()
            if not isinstance(message, Open):
                raise refused
            await self._tell_refusal(refused)  # of the one before: this one has an answer of its own
        if isinstance(message, Open):
            self._opening.begin(message)
            return await self._open(message)
        if self._playback is None:
            raise Refused("not_open", "type", f"the first message must be `open`, not {message.type!r}")
        return await self._control(self._playback, message)

    async def _control(
        self, playback: Playback, message: Seen | Play | Pause | Step | SetPace | SetViews | SetLive | AskCheckpoint
    ) -> None:
        match message:
            case Seen():
                playback.seen(message.update)
            case Play():
                playback.play()
            case Pause():
                playback.pacing.pause()
            case Step():
                playback.pacing.step()
            case SetPace():
                playback.set_pace(message.pace)
            case SetViews():
                playback.views = message.views
            case SetLive():
                await self._change(playback, message)
            case AskCheckpoint():
                self._owed += 1
                await self._pay(playback)

    # ---------------------------------------------------------------- the run

    async def _open(self, asked: Open) -> None:
        if asked.resume:
            return  # its checkpoint comes in the next frame
        weights = await asyncio.to_thread(self._store.weights_of, asked.recipe)
        try:
            run = await self._trainer.begin(asked.recipe, weights, asked.changes)
        except ValidationError as error:
            raise Refused.of(error) from None
        except ValueError as error:
            raise Refused("conflict", "changes", f"changes: {error}") from None
        except NotOffered as error:
            raise Refused("not_offered", "recipe.framework", f"recipe.framework: {error}") from None
        except NotInstalled as error:
            raise Refused("not_installed", "recipe.framework", f"recipe.framework: {error}") from None
        await self._start(run, asked.played(None), after=0, resumed=False)

    async def _resume(self, data: bytes) -> None:
        asked = self._opening.take_frame()
        try:
            run, played = await self._trainer.resume(data)
        except ValueError as error:
            raise Refused("bad_checkpoint", "checkpoint", f"checkpoint: {error}") from None
        except NotOffered as error:
            raise Refused("not_offered", "checkpoint", f"checkpoint: recipe.framework: {error}") from None
        except NotInstalled as error:
            raise Refused("not_installed", "checkpoint", f"checkpoint: {error}") from None
        await self._start(run, asked.played(played), seen_up_to(asked, run.update), resumed=True)

    async def _start(self, run: Run, played: PlayState, after: int, resumed: bool) -> None:
        if self._playback is not None:
            await self._pay(self._playback, as_it_is=True)
        self._playback = Playback(run, played, after, resumed, self._timing)
        recipe = run.recipe
        self._metrics.runs_opened.labels(cell=recipe.cell, how="resumed" if resumed else "new").inc()
        about = {"cell": recipe.cell, "seed": recipe.seed, "update": run.update, "resumed": resumed}
        log.info("run opened", extra=about)
        tag = self._opening.answered()
        await self._connection.tell(opened(run, self._playback, tag, self._connection.name))
        await self._hand_over(self._playback)

    async def _change(self, playback: Playback, message: SetLive) -> None:
        after, made = message.after_update, playback.newest
        if after is not None and after < made:
            bounds = f"at least {made}, the newest update made"
            raise Refused("out_of_range", "after_update", f"after_update: Input should be {bounds}, not {after}")
        fields = message.fields()
        if after is None:
            fields |= self._further_changes(playback)
        await self._send(playback.take_all())
        try:
            change = await self._trainer.change(playback.run, fields, made if after is None else after)
        except ValidationError as error:
            raise Refused.of(error) from None
        except ValueError as error:
            raise Refused("changes_full", "change", str(error)) from None
        await self._connection.tell(Changed.model_validate(change.model_dump()))
        await self._hand_over(playback)

    def _further_changes(self, playback: Playback) -> dict[str, object]:
        """Changes that wait right behind this one, as from a slider: they count as one."""
        further: dict[str, object] = {}
        waiting = []
        while not self._inbox.empty():
            waiting.append(self._inbox.get_nowait())
        while waiting and _goes_along(waiting[0]):
            message = waiting.pop(0)
            if isinstance(message, SetLive):
                further |= message.fields()
            elif isinstance(message, Seen):
                playback.seen(message.update)
        for message in waiting:
            self._inbox.put_nowait(message)
        return further

    async def _advance(self, playback: Playback) -> None:
        stopped = await playback.advance(self._trainer)
        await self._send(playback.take_all() if stopped else playback.take_due())
        if isinstance(stopped, Finished):
            await self._connection.tell(stopped)
        elif stopped is not None:
            self._metrics.runs_diverged.inc()
            log.info("run diverged", extra={"update": stopped.update, "tensor": stopped.tensor})
            await self._connection.tell(stopped)
            await self._hand_over(playback)  # it stands at the update before
        await self._pay(playback)
        if playback.until_checkpoint() == 0:
            await self._send(playback.take_all())
            await self._connection.tell(CheckpointFollows(update=playback.run.update))
            await self._hand_over(playback)

    # ---------------------------------------------------------------- what goes out

    async def _send(self, updates: list[bytes]) -> None:
        if updates:
            self._metrics.update_messages.inc()
            per_second = self._playback.per_second if self._playback else None
            await self._connection.send_text(updates_text(updates, per_second, len(self._everybody)))

    async def _tell_refusal(self, refused: Refused) -> None:
        self._metrics.refusals.labels(reason=refused.code).inc()
        log.info("refused", extra={"code": refused.code, "field": refused.field})
        if self._playback is not None:
            await self._send(self._playback.take_all())
        self._opening.tag(refused)
        await self._connection.refuse(refused)

    async def _pay(self, playback: Playback, *, as_it_is: bool = False) -> None:
        """Hand over the checkpoints that were asked for, once the updates that the viewer has seen are made again."""
        if not self._owed or (playback.is_catching_up and not as_it_is):
            return
        await self._send(playback.take_all())
        while self._owed:
            self._owed -= 1
            await self._hand_over(playback)

    async def _hand_over(self, playback: Playback) -> None:
        await self._connection.send_bytes(await self._trainer.checkpoint(playback.run, playback.played))
        playback.kept()


def _goes_along(message: FromViewer | bytes | Refused) -> bool:
    """Whether a message that follows a change may be taken together with it."""
    return isinstance(message, Seen) or (isinstance(message, SetLive) and message.after_update is None)
