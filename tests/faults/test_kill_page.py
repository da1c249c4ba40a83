"""`kill -9` under a page in a browser: 42 random moments, and every curve is that of a run never interrupted."""

import random
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser

from tests.faults.pages import follows, link
from tests.faults.servers import Servers, free_port

KILLS = 7
"""Of each run; there are six."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("pace", [20, "max"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_page_goes_on_to_the_bit_after_kills_at_random_moments(
    browser: Browser,
    nursery: Servers,
    moments: int,
    cell: str,
    pace: float | str,
    record_property: Callable[[str, object], None],
) -> None:
    draw = random.Random(f"{moments} {cell} {pace}")
    port = free_port()
    server = nursery.start(port)
    with follows(browser, port, link(cell, pace, draw), draw) as page:
        for _ in range(KILLS):
            page.plays_on(draw.uniform(0.1, 1.2))
            server.kill()
            page.plays_on(draw.uniform(0, 1.0), changes=False)
            server = nursery.start(port)
            record_property("page: process up to the next chunk drawn", page.recovers(server.up))
        page.visit.draws(10 * KILLS)
        page.heard_each_once()
        page.holds_the_whole_curve()
