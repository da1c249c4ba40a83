"""What stands between the app and a proxy that hands on everything and bounds nothing, without Ray itself."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from deploy.sockets import OVERHEAD_BYTES, Sockets

ACCEPT: Message = {"type": "websocket.accept"}


async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that accepts and then reads nothing until it is woken."""
    await send(ACCEPT)
    await scope["woken"].wait()
    scope["heard"].append(await receive())
    await send({"type": "websocket.send", "text": "too late?"})


class Wire:
    """What comes in and what goes out of one websocket."""

    def __init__(self, sockets: Sockets) -> None:
        self.sent: list[Message] = []
        self.heard: list[Message] = []
        self.woken = asyncio.Event()
        self.coming: asyncio.Queue[Message] = asyncio.Queue()
        scope = {"type": "websocket", "woken": self.woken, "heard": self.heard}
        self.task = asyncio.create_task(sockets(scope, self.coming.get, self._send))  # type: ignore[arg-type]

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def comes(self, text: str) -> None:
        self.coming.put_nowait({"type": "websocket.receive", "text": text})

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


def played(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(play(), 30))


def test_whoever_is_connected_hears_1012_and_the_app_a_disconnect() -> None:
    async def play() -> None:
        sockets = Sockets(deaf, 1000)
        wires = [Wire(sockets), Wire(sockets)]
        await wires[0].settle()
        await sockets.leave()
        for wire in wires:
            wire.woken.set()
            await wire.task
            assert [message.get("code") for message in wire.sent] == [None, 1012]
            assert wire.heard == [{"type": "websocket.disconnect", "code": 1012}]

    played(play)


def test_whoever_comes_to_a_server_that_leaves_hears_1012_too() -> None:
    async def play() -> None:
        sockets = Sockets(deaf, 1000)
        await sockets.leave()
        wire = Wire(sockets)
        await wire.task
        assert [message["type"] for message in wire.sent] == ["websocket.accept", "websocket.close"]
        assert wire.sent[-1]["code"] == 1012

    played(play)


@pytest.mark.parametrize("texts", [["x" * 600, "x" * 600], [""] * 11])
def test_whoever_sends_more_than_is_read_is_closed(texts: list[str]) -> None:
    async def play() -> None:
        wire = Wire(Sockets(deaf, 10 * OVERHEAD_BYTES))
        for text in texts:
            wire.comes(text)
        await wire.settle()
        assert wire.sent[-1]["code"] == 1009
        wire.woken.set()
        await wire.task
        assert wire.heard == [{"type": "websocket.disconnect", "code": 1009}]
        assert wire.sent[-1]["type"] == "websocket.close", "nothing goes out after the close"

    played(play)


def test_what_was_read_no_longer_counts() -> None:
    async def talk(scope: Scope, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})

    async def play() -> None:
        wire = Wire(Sockets(talk, 3 * OVERHEAD_BYTES))
        for number in range(20):
            wire.comes(str(number))
            await wire.settle()
        wire.coming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await wire.task
        assert [message["text"] for message in wire.sent[1:]] == [str(number) for number in range(20)]

    played(play)
