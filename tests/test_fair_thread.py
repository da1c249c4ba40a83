"""The thread that all runs share: little is served soon, whatever others have asked for."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from app.fair_thread import FairThread


class Owner:
    """Somebody who asks for work."""


@pytest.fixture
def thread() -> Iterator[FairThread]:
    made = FairThread("shared")
    yield made
    made.close()


def busy(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_work_is_done_in_order_and_its_errors_are_handed_on(thread: FairThread) -> None:
    done: list[int] = []
    owner = Owner()
    futures = [thread.submit(owner, done.append, number) for number in range(20)]
    assert [future.result(5) for future in futures] == [None] * 20
    assert done == list(range(20))
    with pytest.raises(ZeroDivisionError):
        thread.submit(owner, lambda: 1 / 0).result(5)
    assert thread.submit(Owner(), lambda: 7).result(5) == 7


def test_whoever_had_least_goes_first(thread: FairThread) -> None:
    heavy, light = Owner(), Owner()
    thread.submit(heavy, busy, 0.05).result(5)
    order: list[str] = []

    def say(name: str) -> Callable[[], None]:
        return lambda: order.append(name)

    hold = threading.Event()
    thread.submit(Owner(), hold.wait)
    asked = [thread.submit(heavy, say("heavy")), thread.submit(light, say("light")), thread.submit(Owner(), say("new"))]
    hold.set()
    for future in asked:
        future.result(5)
    assert order == ["light", "new", "heavy"]


def test_four_that_want_everything_leave_a_fifth_what_little_it_asks_for(thread: FairThread) -> None:
    ended = threading.Event()

    def wants_everything() -> None:
        owner = Owner()
        while not ended.is_set():
            thread.submit(owner, busy, 0.02).result(5)

    crowd = [threading.Thread(target=wants_everything) for _ in range(4)]
    for each in crowd:
        each.start()
    owner, waits = Owner(), []
    for _ in range(20):
        time.sleep(0.02)
        began = time.perf_counter()
        thread.submit(owner, busy, 0.001).result(5)
        waits.append(time.perf_counter() - began)
    ended.set()
    for each in crowd:
        each.join()
    assert sorted(waits)[10] < 0.04, "one turn of another at most, and not four"


def test_who_rested_has_no_claim_on_the_time_since(thread: FairThread) -> None:
    rested, other = Owner(), Owner()
    thread.submit(rested, busy, 0.001).result(5)
    for _ in range(10):
        thread.submit(other, busy, 0.01).result(5)
    order: list[str] = []
    hold = threading.Event()
    thread.submit(Owner(), hold.wait)
    asked = []
    for _ in range(2):
        asked += [
            thread.submit(rested, lambda: (busy(0.01), order.append("rested"))),
            thread.submit(other, order.append, "other"),
        ]
    hold.set()
    for future in asked:
        future.result(5)
    assert order.count("other") == 2
    assert order.index("other") <= 2


def test_what_is_cancelled_is_not_done_and_closing_cancels_the_rest() -> None:
    thread, begun, hold = FairThread("shared"), threading.Event(), threading.Event()
    done: list[int] = []
    under_way = thread.submit(Owner(), lambda: (begun.set(), hold.wait(5)))
    assert begun.wait(5)
    given_up, left = thread.submit(Owner(), done.append, 1), thread.submit(Owner(), done.append, 2)
    assert given_up.cancel()
    thread.close()
    hold.set()
    assert under_way.result(5) == (None, True)
    while not left.done():
        time.sleep(0.001)
    assert left.cancelled()
    assert done == []
