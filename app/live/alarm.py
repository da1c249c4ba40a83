"""Alarm: sleep until something happens or it is time, at the cost of one future."""

import asyncio
from asyncio import Future


class Alarm:
    """For one task that sleeps and others that wake it. Whoever sleeps looks first whether it has reason to."""

    def __init__(self) -> None:
        self._sleeper: Future[None] | None = None

    async def sleep(self, seconds: float | None) -> None:
        """Sleep until it rings or so many seconds have passed; None: until it rings."""
        loop = asyncio.get_running_loop()
        self._sleeper = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, self.ring)
        try:
            await self._sleeper
        finally:
            self._sleeper = None
            if timer is not None:
                timer.cancel()

    def ring(self) -> None:
        """Wake whoever sleeps."""
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)
