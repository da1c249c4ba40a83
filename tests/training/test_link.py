"""The link to a training process: whoever asks for it may go at any moment."""

import asyncio
import socket
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.telemetry.metrics import Metrics
from app.training.child import Child
from app.training.link import Link
from app.training.load import Load


@pytest.mark.parametrize("moment", range(6))
def test_who_goes_while_a_process_is_begun_leaves_it_to_the_others(moment: int) -> None:
    ours, theirs = socket.socketpair()
    child = SimpleNamespace(socket=ours, process=SimpleNamespace(pid=1), close=ours.close)

    async def two_ask() -> None:
        link = Link("torch", Metrics(), Load(), cast(Child, child))
        first = asyncio.create_task(cast(Any, link.open()))
        for _ in range(moment):
            await asyncio.sleep(0)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        await link.open()
        link.left.append(7)
        link.let_go()
        loop = asyncio.get_running_loop()
        theirs.setblocking(False)
        assert b"\x07" in await loop.sock_recv(theirs, 1000), "what is said reaches the process"
        link.close()

    with theirs:
        asyncio.run(two_ask())
