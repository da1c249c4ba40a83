"""A thread that many share: of those who wait, whoever has had least of it goes first."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from heapq import heappop, heappush
from itertools import count
from time import perf_counter
from typing import Any, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

A = TypeVarTuple("A")
R = TypeVar("R")


class FairThread:
    """One thread. Work that is asked for while it is busy waits by start-time fair queueing.

    (Goyal, Vin and Cheng, 1996: each owner's work starts, in virtual time, where its own last one ended, but not before
    what is under way now.) So whoever asks for little is served next, whatever others have asked for.
    """

    def __init__(self, name: str) -> None:
        self._waiting: list[tuple[float, int, Future[Any], object, Callable[[], Any]]] = []
        self._changed = threading.Condition()
        self._order = count()
        self._now = 0.0  # of virtual time, in seconds of work
        self._ended: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        self._closed = False
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, owner: object, work: Callable[[*A], R], *args: *A) -> Future[R]:
        future: Future[R] = Future()
        with self._changed:
            start = max(self._now, self._ended.get(owner, 0.0))
            heappush(self._waiting, (start, next(self._order), future, owner, lambda: work(*args)))
            self._changed.notify()
        return future

    @property
    def is_wanted(self) -> bool:
        """Whether work waits for the thread."""
        return bool(self._waiting)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _work(self) -> None:
        while (due := self._next()) is not None:
            future, owner, work = due
            if not future.set_running_or_notify_cancel():
                continue
            began = perf_counter()
            try:
                result = work()
            except BaseException as error:
                self._charge(owner, perf_counter() - began)
                future.set_exception(error)
            else:
                self._charge(owner, perf_counter() - began)
                future.set_result(result)
            del due, future, owner, work

    def _next(self) -> tuple[Future[Any], object, Callable[[], Any]] | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                for _, _, future, _, _ in self._waiting:
                    future.cancel()
                return None
            self._now, _, future, owner, work = heappop(self._waiting)
            return future, owner, work

    def _charge(self, owner: object, seconds: float) -> None:
        with self._changed:
            self._ended[owner] = self._now + seconds
