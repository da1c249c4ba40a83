"""A full hall: all slow down in proportion, are told so, and a heavy recipe takes no more than its share."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from app.live.pacing import Timing
from tests.conftest import Server, running
from tests.support.cost import Told
from tests.support.nursery import World
from tests.support.viewers import TestViewer, viewer
from tests.support.visits import DESK, Visit

HEAVY = {"cell": "lstm", "hidden_size": 4}
SOME = {"cell": "gru", "hidden_size": 4}
COSTS = Told({"lstm": 0.1, "gru": 0.03, "rnn": 0.001, "torch": 0.05})
"""So two viewers of any but `rnn` are too many at 60/s, on any machine, and that one is light on any."""
LINK = "&".join(f"{name}={value}" for name, value in HEAVY.items())
ENOUGH = 3
"""Messages with a rate after which it is taken to be steady; it is measured every second."""
NEWEST = 24
"""Updates of the fastest over which shares are compared."""
MOST = 100
"""Viewers of the heaviest recipe at 60/s, of which no machine holds so many."""


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    world = World(COSTS, Timing(rate_seconds=1.0))
    with running(tmp_path_factory.mktemp("hall"), world=world) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


class Player:
    """A viewer that acknowledges all, on a thread, and remembers what it was told of its rate."""

    def __init__(self, one: TestViewer, **fields: Any) -> None:
        self.rates: list[float | None] = []
        self.update = 0
        self.more = threading.Condition()
        self._one = one
        one.open(**fields)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    def _play(self) -> None:
        while not self._ended.is_set():
            message = self._one.until("updates")
            last = message["updates"][-1]["update"]
            self._one.seen(last)
            with self.more:
                self.update = last
                self.rates.append(message.get("updates_per_second"))
                self.more.notify()

    def until(self, holds: Callable[[list[float | None]], bool], seconds: float = 60) -> None:
        with self.more:
            assert self.more.wait_for(lambda: holds(self.rates), seconds), self.rates[-10:]

    def set_pace(self, pace: float) -> None:
        self._one.send(type="pace", pace=pace)

    def end(self) -> None:
        self._ended.set()
        self._thread.join(60)


@contextmanager
def players(url: str, *all_fields: dict[str, Any]) -> Iterator[list[Player]]:
    with ExitStack() as stack:
        made = []
        for fields in all_fields:
            player = Player(stack.enter_context(viewer(url)), **fields)
            stack.callback(player.end)
            made.append(player)
        yield made


def told(rates: list[float | None]) -> list[float]:
    """Each rate once."""
    found = [rate for rate in rates if rate is not None]
    return list(dict.fromkeys(found))


def test_in_a_full_hall_all_slow_down_in_proportion_and_hear_how_far(hall: Server) -> None:
    with players(hall.ws, *({"recipe": HEAVY, "pace": pace} for pace in (30, 30, 60))) as (one, other, fast):
        for player in (one, other, fast):
            player.until(lambda rates: len(told(rates)) >= ENOUGH)
        counts: list[tuple[int, int, int]] = []

        def is_in_proportion() -> bool:
            """Over the newest updates: a moment in which a machine is too busy to ask for the next is left behind."""
            counts.append((one.update, other.update, fast.update))
            since = [count for count in counts if count[2] <= fast.update - NEWEST]
            if not since:
                return False
            made = [now - then for now, then in zip(counts[-1], since[-1], strict=True)]
            return all(1.4 * slow < made[2] < 2.8 * slow for slow in made[:2])

        fast.until(lambda _: is_in_proportion(), 100)
        assert all(told(player.rates)[-1] < 11 for player in (one, other, fast)), "ten in a second are all there are"


def test_who_keeps_pace_again_hears_no_more_of_a_full_hall(hall: Server) -> None:
    with players(hall.ws, {"recipe": HEAVY, "pace": 60}) as (one,):
        one.until(lambda rates: bool(told(rates)))
        one.set_pace(2)
        one.until(lambda rates: rates[-1] is None)


def test_heavy_recipes_leave_a_light_one_its_pace(hall: Server) -> None:
    heavy = [{"recipe": SOME, "pace": 60}] * 3
    with players(hall.ws, *heavy, {"pace": 5}) as (*crowd, light):
        for player in crowd:
            player.until(lambda rates: len(told(rates)) >= ENOUGH)
        light.until(
            lambda rates: len(rates) >= 20 and told(rates[-10:]) == []
        )  # two measurements: it may have begun late


def test_runs_of_pytorch_hear_their_pace_and_leave_a_compiled_one_its_own(hall: Server) -> None:
    torch = [{"recipe": {"framework": "torch"}, "pace": 60}] * 3
    with players(hall.ws, *torch, {"pace": 5}) as (*crowd, compiled):
        for player in crowd:
            player.until(lambda rates: len(told(rates)) >= ENOUGH)
        assert all(told(player.rates)[-1] < 20 for player in crowd), "twenty in a second are all there are"
        compiled.until(lambda rates: len(rates) >= 20 and told(rates[-10:]) == [])


def test_a_hall_is_told_that_it_is_full_when_the_machine_can_do_no_more(start_server: Callable[..., Any]) -> None:
    """No cost is told here: as many come as it takes."""
    sizes = {"hidden_size": 128, "samples": 20, "shortest": 6, "longest": 6, "fewest_streams": 8, "most_streams": 8}
    heaviest = {"recipe": sizes, "pace": 60}
    with ExitStack() as stack:
        hall = stack.enter_context(start_server(world=World(timing=Timing(rate_seconds=1.0))))
        crowd: list[Player] = []
        while not any(told(player.rates) for player in crowd):
            assert len(crowd) < MOST
            (player,) = stack.enter_context(players(hall.ws, heaviest))
            crowd.append(player)
            player.until(lambda rates: len(rates) >= 1)
        crowd[0].until(lambda rates: bool(told(rates)))


def test_a_prediction_and_a_probe_are_answered_beside_a_full_hall(hall: Server) -> None:
    with players(hall.ws, *[{"recipe": HEAVY, "pace": "max"}] * 4), httpx.Client(base_url=hall.url) as client:
        for _ in range(20):
            assert client.get("/healthz").status_code == 200
            assert len(client.post("/predict", json={"sequence": [0.0, 0.5, 1.0]}).json()["prediction"]) == 3


def test_a_paused_page_has_nothing_made_for_it(server: Server) -> None:
    with viewer(server.ws) as one:
        one.open(pace=60)
        one.until("updates")
        one.send(type="pause")
        one.send(type="checkpoint")
        while isinstance(one.next(), dict):
            pass  # what was under way: the checkpoint comes behind it
        before = server.metric("unrolled_updates_total")
        assert one.is_silent()
        assert server.metric("unrolled_updates_total") == before


def test_the_page_says_that_the_hall_is_full_and_what_each_is_given(browser: Browser, hall: Server) -> None:
    context = browser.new_context(viewport=DESK, locale="en-US")
    visit = Visit(context, f"{hall.url}/#{LINK}&pace=60", charts=False)
    expect(visit.at("status")).to_contain_text("heavy recipe:")
    with players(hall.ws, *[{"recipe": HEAVY, "pace": 60}] * 3):
        expect(visit.at("status")).to_contain_text("the hall is full:")
        expect(visit.at("status")).to_contain_text("updates/s each")
    visit.at("play").click()
    expect(visit.at("status")).to_have_text("paused")
    assert visit.troubles == []
    context.close()


def test_who_takes_up_a_run_in_a_full_hall_has_a_share_too(hall: Server) -> None:
    with viewer(hall.ws) as one:
        one.open(pace="max")
        checkpoint = one.checkpoint
        one.updates(60)
    with players(hall.ws, *[{"recipe": HEAVY, "pace": 20}] * 3), viewer(hall.ws) as again:
        again.resume(checkpoint, after=60, pace=5, play=True)
        assert again.updates(3)[0]["update"] == 61


def test_a_ping_is_answered_while_training_keeps_the_run_waiting(hall: Server) -> None:
    with players(hall.ws, *[{"recipe": HEAVY, "pace": "max"}] * 4), viewer(hall.ws) as one:
        one.open(recipe=HEAVY, pace="max")
        for _ in range(5):
            one.send(type="ping")
            one.until("pong")
