"""A few of the faults of `make faults`: runs of each cell through a `kill -9`, and a wire that is cut under a page."""

import random
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.faults.kills import survive
from tests.faults.pages import follows, link, now
from tests.faults.proxy import Proxy
from tests.faults.servers import Servers, free_port, servers
from tests.support.cost import Told
from tests.support.nursery import World

LEISURELY = World(price=Told(dict.fromkeys(("rnn", "gru", "lstm"), 0.01)))
"""At pace max there are a hundred updates a second on any machine; all are made again to be compared."""


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers(tmp_path_factory.mktemp("faults"), LEISURELY) as started:
        yield started
        assert "Traceback" not in started.log()


def test_runs_of_every_cell_survive_a_kill_to_the_bit(nursery: Servers) -> None:
    survive(nursery, [("rnn", "max"), ("gru", 20), ("lstm", "max")], kills=1, seed=1, longest=0.4)


def test_a_page_goes_on_to_the_bit_after_its_wire_was_cut_and_its_server_killed(
    browser: Browser, nursery: Servers
) -> None:
    draw = random.Random(1)
    first, second = nursery.start(free_port()), nursery.start(free_port())
    proxy = Proxy(first.port)
    with follows(browser, proxy.port, link("gru", 20, draw), draw) as page:
        page.plays_on(0.5)
        proxy.cut()
        page.recovers(now())
        page.changes()
        page.plays_on(0.3)
        proxy.target = second.port
        first.kill()
        page.recovers(now())
        page.heard_each_once()
        page.holds_the_whole_curve()
    proxy.close()
