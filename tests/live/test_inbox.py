"""Inbox: bounded in messages and in bytes."""

import asyncio
from asyncio import QueueFull

import pytest

from app.live.inbox import BYTES, MESSAGES, Inbox
from app.protocol.train import Open, Ping
from model.recipe import Change


def test_small_messages_are_bounded_by_their_number() -> None:
    inbox = Inbox()
    for _ in range(MESSAGES):
        inbox.put_nowait(Ping(type="ping"))
    with pytest.raises(QueueFull):
        inbox.put_nowait(Ping(type="ping"))


def test_large_messages_are_bounded_by_their_bytes_and_one_always_fits() -> None:
    inbox = Inbox()
    inbox.put_nowait(bytes(4 * BYTES))
    with pytest.raises(QueueFull):
        inbox.put_nowait(Ping(type="ping"))
    inbox.get_nowait()
    assert inbox.bytes == 0


def test_long_change_logs_count_as_what_they_take() -> None:
    changes = tuple(Change(after_update=i, train=True) for i in range(1000))
    inbox = Inbox()
    inbox.put_nowait(Open(type="open", changes=changes))
    assert inbox.full()


def test_who_waits_to_put_goes_on_when_a_large_message_is_taken() -> None:
    async def scene() -> int:
        inbox = Inbox()
        for _ in range(2):
            await inbox.put(bytes(BYTES // 2))
        waiting = asyncio.create_task(inbox.put(b"next"))
        await asyncio.sleep(0)
        assert not waiting.done()
        await inbox.get()
        await waiting
        return inbox.qsize()

    assert asyncio.run(scene()) == 2
