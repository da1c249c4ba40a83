"""A time limit for one wait after another: what asyncio.timeout promises."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.live.patience import Patience

SOON, LONG = 0.02, 30.0


def on_a_loop(test: Callable[[Patience], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(20):
            await test(Patience())

    asyncio.run(run())


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def at_once() -> int:
    return 7


def test_what_comes_in_time_is_handed_on_and_so_are_its_errors() -> None:
    async def test(patience: Patience) -> None:
        for _ in range(3):
            assert await patience.bound(at_once(), SOON) == 7

        async def fails() -> None:
            raise KeyError("why")

        with pytest.raises(KeyError, match="why"):
            await patience.bound(fails(), SOON)

    on_a_loop(test)


def test_what_takes_too_long_is_given_up_and_the_task_goes_on() -> None:
    async def test(patience: Patience) -> None:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await patience.bound(never(), SOON)
            assert await patience.bound(at_once(), LONG) == 7
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    on_a_loop(test)


def test_a_shorter_wait_after_a_longer_one_is_no_longer_for_it() -> None:
    async def test(patience: Patience) -> None:
        await patience.bound(at_once(), LONG)
        with pytest.raises(TimeoutError):
            await patience.bound(never(), SOON)

    on_a_loop(test)


def test_a_longer_wait_after_a_shorter_one_is_not_cut_short() -> None:
    async def test(patience: Patience) -> None:
        await patience.bound(at_once(), SOON)
        assert await patience.bound(asyncio.sleep(5 * SOON, 7), LONG) == 7

    on_a_loop(test)


def test_who_is_cancelled_is_cancelled() -> None:
    async def test(patience: Patience) -> None:
        task = asyncio.create_task(patience.bound(never(), LONG))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    on_a_loop(test)


def test_two_who_wait_at_the_same_time_each_have_their_own_limit() -> None:
    async def test(patience: Patience) -> None:
        long = asyncio.create_task(patience.bound(asyncio.sleep(5 * SOON, 7), LONG))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await patience.bound(never(), SOON)
        assert await long == 7

    on_a_loop(test)
