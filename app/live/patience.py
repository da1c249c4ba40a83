"""Patience: a time limit for one wait after another, cheaper than a timer for each."""

import asyncio
from asyncio import CancelledError, Task, TimerHandle
from collections.abc import Awaitable
from typing import Any, TypeVar

R = TypeVar("R")


class Patience:
    """A time limit as `asyncio.timeout` sets it, for waits that are mostly over at once: one timer serves many of them.

    Of waits at the same time all but the first have a timer of their own.
    """

    def __init__(self) -> None:
        self._task: Task[Any] | None = None  # that waits
        self._deadline = 0.0
        self._ran_out = False
        self._timer: TimerHandle | None = None

    async def bound(self, waiting: Awaitable[R], seconds: float) -> R:
        """Wait for something, and return it. Raises TimeoutError if that takes longer than `seconds`."""
        task = asyncio.current_task()
        if self._task is not None or task is None:
            async with asyncio.timeout(seconds):
                return await waiting
        loop = asyncio.get_running_loop()
        self._task, self._deadline = task, loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            self._look_at(loop, self._deadline)
        cancelling = task.cancelling()
        try:
            return await waiting
        except CancelledError:
            if self._ran_out and task.uncancel() <= cancelling:
                raise TimeoutError from None
            raise
        finally:
            self._task, self._ran_out = None, False

    def _look_at(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(when, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._task is None:
            return
        if loop.time() >= self._deadline:
            self._ran_out = True
            self._task.cancel()
        else:
            self._look_at(loop, self._deadline)
