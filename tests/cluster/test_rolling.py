"""Servers behind the committed HAProxy are replaced one by one under load, and nobody loses anything."""

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from tests.cluster.load import Load, load
from tests.cluster.pair import Pair
from tests.support.sockets import eventually
from tests.support.viewers import PATIENCE

pytestmark = pytest.mark.timeout(400)  # all runs are made again afterwards

Record = Callable[[str, object], None]


def note(record_property: Record, what: str, felt_by: Load) -> None:
    """What viewers and those who ask felt since the clock was last forgotten."""
    for seconds in felt_by.longest_waits:
        record_property(f"{what}: longest wait of a viewer for updates", seconds)
    if felt_by.questions:
        record_property(f"{what}: slowest prediction", felt_by.slowest_answer)


def test_a_rolling_restart_under_load_loses_no_update_and_no_prediction(pair: Pair, record_property: Record) -> None:
    pair.deals_to_both()
    with load(pair.proxy.port, seed=1) as all_of_them:
        all_of_them.forgets_the_clock()
        all_of_them.goes_on(60)
        note(record_property, "undisturbed", all_of_them)
        all_of_them.forgets_the_clock()
        for name in ("one", "two"):
            pair.replace(name, signal.SIGTERM)
        all_of_them.goes_on()
        note(record_property, "rolling restart", all_of_them)
    all_of_them.was_served()
    codes = [code for viewer in all_of_them.viewers for code in viewer.closes]
    assert len(codes) >= len(all_of_them.viewers), "each was on one or on the other"
    assert set(codes) == {1012}


def test_servers_that_are_killed_one_after_the_other_lose_no_update_and_no_prediction(
    pair: Pair, record_property: Record
) -> None:
    pair.deals_to_both()
    with load(pair.proxy.port, seed=2) as all_of_them:
        all_of_them.forgets_the_clock()
        for name in ("one", "two"):
            pair.replace(name, signal.SIGKILL)
            pair.deals_to_both()
        all_of_them.goes_on()
        note(record_property, "kill -9 of each", all_of_them)
    all_of_them.was_served()
    assert sum(viewer.sessions for viewer in all_of_them.viewers) >= 2 * len(all_of_them.viewers)


def test_a_prediction_that_was_under_way_on_a_killed_server_is_made_by_another(pair: Pair) -> None:
    pair.deals_to_both()
    one, two = (server.process for server in pair.servers.values())
    with httpx.Client(base_url=pair.proxy.url, timeout=PATIENCE) as client, ThreadPoolExecutor(8) as asking:
        ask = partial(client.post, "/predict", json={"sequence": [0.5]})
        assert ask().status_code == 200
        try:
            for process in (one, two):  # one that answers would be dealt all that the other does not
                process.send_signal(signal.SIGSTOP)
            answers = [asking.submit(ask) for _ in range(8)]
            eventually(lambda: int(pair.proxy.rows("ready")["one"]["scur"]) > 1, PATIENCE, "some are under way there")
            one.kill()
            one.wait(PATIENCE)
        finally:
            for process in (one, two):
                process.send_signal(signal.SIGCONT)
        assert [answer.result().status_code for answer in answers] == [200] * 8
    pair.replace("one", signal.SIGKILL)


def test_a_proxy_that_is_replaced_loses_no_update(pair: Pair, record_property: Record) -> None:
    pair.deals_to_both()
    with load(pair.proxy.port, seed=3, asks=False) as all_of_them:
        all_of_them.forgets_the_clock()
        pair.replace_proxy()
        all_of_them.goes_on()
        note(record_property, "new proxy", all_of_them)
    all_of_them.was_served()
    assert all(viewer.sessions > 1 for viewer in all_of_them.viewers)
