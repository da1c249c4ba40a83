"""A viewer's websocket with everything bounded: what comes in is checked, what goes out may not take for ever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from fastapi import WebSocket, WebSocketDisconnect
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from app.live.patience import Patience
from app.protocol.refusal import Refused
from app.protocol.train import MAX_TEXT_BYTES, MOST_TAG, Trouble
from app.telemetry.logs import name_connection

log = logging.getLogger("unrolled.live")

REFUSED, TOO_BIG, FAILED, FULL, IDLE = 1008, 1009, 1011, 1013, 1001
"""Close codes; docs/protocol.md says what a viewer does on each."""

NO_CLOSE = 1006
"""The connection only broke."""

SEND_SECONDS = 8.0
"""How long a viewer may take to make room for a message before it counts as gone."""

CLOSE_SECONDS = 1.0


M = TypeVar("M")


class Gone(Exception):
    """The viewer is no longer there, or no longer reads."""


class Connection(Generic[M]):
    """One open websocket, on which messages of one kind come in."""

    def __init__(
        self,
        socket: WebSocket,
        messages: TypeAdapter[M],
        max_message_bytes: int,
        idle_seconds: float,
        first_seconds: float | None = None,
    ) -> None:
        self.name = name_connection()
        """Its name in the log."""
        self._socket = socket
        self._messages = messages
        self._most = max_message_bytes
        self._idle_seconds = idle_seconds
        self._seconds = min(first_seconds or idle_seconds, idle_seconds)  # for the next message
        self.closed_with = NO_CLOSE
        """The code of the close that came or was sent first."""
        self._receiving, self._sending = Patience(), Patience()

    async def receive(self) -> M | bytes | Refused:
        """A message, a checkpoint's bytes, or the refusal of a message that is none. Raises Gone."""
        try:
            event = await self._receiving.bound(self._socket.receive(), self._seconds)
        except TimeoutError:
            await self.close(IDLE, f"nothing came for {self._seconds:g} s; connect again to go on")
            raise Gone("idle") from None
        self._seconds = self._idle_seconds
        if event["type"] == "websocket.disconnect":
            self._note(event.get("code") or NO_CLOSE)
            raise Gone(f"disconnected with code {event.get('code')}")
        data: bytes | None = event.get("bytes")
        text: str | None = event.get("text")
        if len(data or text or "") > self._most:
            await self.close(TOO_BIG, f"a message has at most {self._most} bytes")
            raise Gone("sent too large a message")
        if text is not None and len(text) > MAX_TEXT_BYTES:
            detail = f"a text message has at most {MAX_TEXT_BYTES} characters, not {len(text)}"
            return Refused("out_of_range", "", detail)
        return data if data is not None else self._read(text or "")

    async def converse(self, answer: Callable[[M | bytes | Refused], Awaitable[None]]) -> None:
        """Answer message by message until the other side goes. What `answer` refuses is told; the connection stays."""
        try:
            while True:
                message = await self.receive()
                try:
                    await answer(message)
                except Refused as refused:
                    await self.refuse(refused)
        except Gone as gone:
            log.debug("%s", gone)
        except Exception:
            log.exception("a connection failed")
            await self.fail()

    async def refuse(self, refused: Refused) -> None:
        """Tell why a message changes nothing. Raises Gone."""
        await self.tell(Trouble(code=refused.code, field=refused.field, detail=refused.detail, tag=refused.tag))

    async def fail(self) -> None:
        """Close, since something of ours went wrong."""
        await self.close(FAILED, f"the server failed; this is our mistake (connection {self.name})")

    def _read(self, text: str) -> M | Refused:
        try:
            return self._messages.validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]["type"]
            if first == "union_tag_invalid":
                return Refused("unknown_type", "type", "type: no such message; docs/protocol.md lists them")
            if first == "union_tag_not_found":
                return Refused("missing", "type", "type: Field required")
            refused = Refused.of(error, skip=1)
            refused.tag = _tag_of(text)
            return refused

    async def tell(self, message: BaseModel) -> None:
        """Send a message. Raises Gone."""
        await self.send_text(message.model_dump_json())

    async def send_text(self, text: str) -> None:
        """Send a message that is encoded already. Raises Gone."""
        await self._bounded(self._socket.send_text(text))

    async def send_bytes(self, data: bytes) -> None:
        """Send a checkpoint. Raises Gone."""
        await self._bounded(self._socket.send_bytes(data))

    async def close(self, code: int, reason: str) -> None:
        self._note(code)
        # a peer that stopped reading never answers a close: do not wait for it
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(code, reason)
        except (TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
            log.debug("closing with %d was not answered", code)

    def _note(self, code: int) -> None:
        if self.closed_with == NO_CLOSE:
            self.closed_with = code

    async def _bounded(self, sending: Awaitable[None]) -> None:
        try:
            await self._sending.bound(sending, SEND_SECONDS)
        except TimeoutError:
            raise Gone(f"read nothing for {SEND_SECONDS:g} s") from None
        except (RuntimeError, OSError, WebSocketDisconnect):
            raise Gone("the connection closed while a message went out") from None


def _tag_of(text: str) -> int | None:
    """The tag of a message that is refused for something else in it."""
    try:
        message = from_json(text)  # what reads the message too: another reader stops at other things
    except ValueError:
        return None
    tag = message.get("tag") if isinstance(message, dict) else None
    return tag if type(tag) is int and 0 <= tag <= MOST_TAG else None
