"""POST /receipt and /ws/verify: what a run came to, and the same run made again to compare."""

import asyncio
import logging
from dataclasses import asdict
from time import monotonic

from fastapi import APIRouter, Request, WebSocket

from app.http.bodies import read_body
from app.http.one_by_one import OneByOne
from app.http.openapi import documented, documented_body
from app.live.admission import Door, Hall
from app.live.connection import Connection, Gone
from app.protocol.refusal import Refused
from app.protocol.replay import Cancel, Cancelled, FromVerifier, Progress, VerdictShown, Verify, read_from_verifier
from app.store.models import ModelStore
from app.training.trainer import LEAST_WEIGHT, NotOffered, Trainer
from model.checkpoint import MAX_BYTES, Checkpoint
from model.receipt import Receipt, Verdict
from model.tensorflow.program import NotInstalled

log = logging.getLogger("unrolled.verify")

PROGRESS_SECONDS = 0.1

MOST_AT_ONCE = 2
"""Replays under way; others wait in line, so that a crowd of them slows nobody's run."""

MOST_RECEIPTS = 64
"""Receipts under way or waiting; one takes 0.02 s. A hall may ask at once."""


class Verifier:
    """One open websocket: a receipt that comes is replayed in a task beside it, which goes when the socket does."""

    def __init__(
        self, connection: Connection[FromVerifier], trainer: Trainer, store: ModelStore, turns: asyncio.Semaphore
    ) -> None:
        self._connection = connection
        self._trainer = trainer.on_an_account()
        self._store = store
        self._turns = turns
        self._replay: asyncio.Task[None] | None = None
        self._is_busy = False

    async def serve(self) -> None:
        """Serve until the other side goes."""
        try:
            await self._connection.converse(self._answer)
        finally:
            await self._cancel()

    async def _answer(self, message: FromVerifier | bytes | Refused) -> None:
        match message:
            case Refused():
                raise message
            case bytes():
                raise Refused("wrong_type", "", "a receipt is a text message")
            case Cancel():
                await self._cancel()
                await self._connection.tell(Cancelled())
            case Verify():
                if self._is_busy:
                    raise Refused("conflict", "type", "a replay is under way; cancel it first")
                if self._replay is not None:
                    await asyncio.wait({self._replay})  # it is telling its verdict
                self._is_busy = True
                self._replay = asyncio.create_task(self._run(message.receipt), name="replay")

    async def _cancel(self) -> None:
        if self._replay is not None:
            self._replay.cancel()
            await asyncio.gather(self._replay, return_exceptions=True)
        self._is_busy = False

    async def _run(self, receipt: Receipt) -> None:
        try:
            async with self._turns:
                verdict = await self._compare(receipt)
            self._is_busy = False  # whoever hears the verdict may ask again at once
            await self._connection.tell(VerdictShown(**asdict(verdict)))
        except Refused as refused:
            self._is_busy = False
            await self._connection.refuse(refused)
        except Gone:
            log.debug("a verifier went during its replay")  # the task that receives is told too
        except Exception:
            log.exception("a replay failed")
            await self._connection.fail()

    async def _compare(self, receipt: Receipt) -> Verdict:
        """Make the receipt's run again and hold it against the receipt. Raises Refused or Gone."""
        recipe = receipt.recipe
        weights = await asyncio.to_thread(self._store.weights_of, recipe)
        try:
            run = await self._trainer.begin(recipe, weights, receipt.changes)
        except NotOffered as error:
            raise Refused("not_offered", "receipt.recipe.framework", f"receipt.recipe.framework: {error}") from None
        except NotInstalled as error:
            raise Refused("not_installed", "receipt.recipe.framework", f"receipt.recipe.framework: {error}") from None
        except ValueError as error:
            raise Refused("conflict", "receipt.changes", f"receipt.changes: {str(error)[:400]}") from None
        told = monotonic()
        while run.update < receipt.updates:
            left = receipt.updates - run.update
            turn = await self._trainer.advance(run, left, frozenset(), weight=LEAST_WEIGHT)
            if turn.diverged:
                break
            if monotonic() >= told + PROGRESS_SECONDS:
                told = monotonic()
                await self._connection.tell(Progress(update=run.update, updates=receipt.updates))
        return await self._trainer.compare(run, receipt)


def routes(trainer: Trainer, store: ModelStore, hall: Hall) -> APIRouter:
    router = APIRouter()
    settings = hall.settings
    most_upload_bytes = min(MAX_BYTES, settings.max_body_bytes)
    line = OneByOne("receipt", "receipts", MOST_RECEIPTS, retry_after=1)
    turns = asyncio.Semaphore(MOST_AT_ONCE)
    door = Door(read_from_verifier, hall)

    @router.post(
        "/receipt",
        summary="The receipt of a run",
        responses=documented("body_too_slow", "body_too_large", "bad_model", "busy"),
        openapi_extra=documented_body("application/octet-stream", {"type": "string", "format": "binary"}),
    )
    async def receipt(request: Request) -> Receipt:
        """A run's checkpoint in; out what it came to, for `/ws/verify` or `unrolled verify` to make again."""
        data = await read_body(request, most_upload_bytes, settings.body_seconds)
        return await line.do(_receipt_of, data)

    @router.websocket("/ws/verify")
    async def verify(socket: WebSocket) -> None:
        await door.admit(socket, lambda connection: Verifier(connection, trainer, store, turns).serve())

    return router


def _receipt_of(data: bytes) -> Receipt:
    try:
        return Receipt.of(Checkpoint.from_bytes(data))
    except ValueError as error:
        raise Refused("bad_model", "", str(error)[:400]) from None
