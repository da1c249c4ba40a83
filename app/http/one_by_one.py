"""OneByOne: short work that is done one piece at a time, with a bounded number of pieces waiting."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from app.protocol.refusal import Refused

A = TypeVarTuple("A")
R = TypeVar("R")


class OneByOne:
    """A thread of its own for work that must not hold up the event loop.

    Args:
        name: of the thread.
        pieces: what they are called in a refusal.
        most: pieces under way or waiting; one more is refused.
        retry_after: seconds that the refusal names.
    """

    def __init__(self, name: str, pieces: str, most: int, retry_after: int) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._pieces = pieces
        self._most = most
        self._retry_after = retry_after
        self._waiting = 0

    async def do(self, work: Callable[[*A], R], *args: *A) -> R:
        """The result of some work. Raises Refused when too many wait already, and whatever the work raises."""
        if self._waiting >= self._most:
            detail = f"{self._most} {self._pieces} wait already"
            raise Refused("busy", "", detail, retry_after=self._retry_after)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        finally:
            self._waiting -= 1
