"""An alarm wakes one sleeper: when it rings, or when it is time."""

import asyncio

from app.live.alarm import Alarm

SOON, LONG = 0.02, 30.0


def test_it_wakes_when_it_rings() -> None:
    async def test() -> None:
        alarm = Alarm()
        for seconds in (None, LONG):
            sleeping = asyncio.create_task(alarm.sleep(seconds))
            await asyncio.sleep(0)
            alarm.ring()
            await asyncio.wait_for(sleeping, 5)

    asyncio.run(test())


def test_it_wakes_in_time_without_a_ring() -> None:
    async def test() -> None:
        await asyncio.wait_for(Alarm().sleep(SOON), 5)

    asyncio.run(test())


def test_a_ring_while_nobody_sleeps_does_nothing() -> None:
    async def test() -> None:
        alarm = Alarm()
        alarm.ring()
        sleeping = asyncio.create_task(alarm.sleep(None))
        await asyncio.sleep(SOON)
        assert not sleeping.done()
        alarm.ring()
        alarm.ring()
        await asyncio.wait_for(sleeping, 5)

    asyncio.run(test())
