"""Seconds of `make soak`, and whether its verdict finds what is wrong."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from tests.conftest import Server
from tests.soak.curve import svg, ticks
from tests.soak.readings import Reading
from tests.soak.soak import SEATS, Soaked, soak
from tests.soak.verdict import POOL, lacks, wrongs
from tests.support.cost import Told
from tests.support.nursery import World

SEED = 1
LEISURELY = World(price=Told(dict.fromkeys(("rnn", "gru", "lstm"), 0.01)))
"""Seconds are few: those guests who want all there is have a hundred updates of each of them, on any machine."""
IDLE = Reading(0.0, 400.0, threads=20, files=30, tasks=4, viewers=0)


@pytest.mark.timeout(300)  # on a busy machine it takes longer until enough has happened
def test_seconds_of_random_guests_leave_nothing_behind(
    start_server: Callable[..., AbstractContextManager[Server]],
) -> None:
    print(f"seed {SEED}")
    with start_server(max_viewers=SEATS, world=LEISURELY) as server:
        soaked = asyncio.run(soak(server, SEED, seconds=5, every=0.4, lacks=lacks))
        assert wrongs(soaked, server.log.read_text()) == []


def soaked_with(resident: Sequence[float]) -> Soaked:
    """A good soak of a minute, with this memory."""
    seconds = [60 * (number + 1) / len(resident) for number in range(len(resident))]
    readings = [replace(IDLE, seconds=at, resident=one) for at, one in zip(seconds, resident, strict=True)]
    tally = Counter({"visits": 200, "heard diverged": 3, "vanished": 9, "updates of regulars": 99, "streamed": 9})
    return Soaked(IDLE, 60, readings, tally, [], IDLE)


def flat() -> Soaked:
    return soaked_with([400 + number % 7 for number in range(60)])


def test_a_flat_memory_is_a_good_soak() -> None:
    assert wrongs(flat(), "") == []


def test_memory_may_grow_while_it_warms_up_but_not_afterwards() -> None:
    assert wrongs(soaked_with([min(400 + 5.0 * number, 500) for number in range(60)]), "") == []
    (wrong,) = wrongs(soaked_with([400 + number for number in range(60)]), "")
    assert wrong.startswith("memory grew by 28.0 MB")


def test_one_high_reading_is_no_growth() -> None:
    assert wrongs(soaked_with([400.0] * 59 + [900.0]), "") == []


@pytest.mark.parametrize("name", ["tasks", "threads", "files", "viewers"])
def test_what_is_left_over_is_found(name: str) -> None:
    soaked = flat()
    soaked.empty = replace(IDLE, **{name: getattr(IDLE, name) + POOL + 1})
    (wrong,) = wrongs(soaked, "")
    assert name in wrong


def test_errors_in_the_log_are_found() -> None:
    (wrong,) = wrongs(flat(), "INFO fine\nERROR the pot boiled over\n")
    assert "the pot boiled over" in wrong


def test_one_trouble_of_a_guest_is_enough() -> None:
    soaked = flat()
    soaked.trouble.append("Misheard: 9 after 7")
    (wrong,) = wrongs(soaked, "")
    assert "9 after 7" in wrong


def test_a_busy_machine_may_miss_a_pong_in_a_hundred_visits() -> None:
    soaked = flat()
    soaked.tally["missed a pong"] = 2
    assert wrongs(soaked, "") == []
    soaked.tally["missed a pong"] = 3
    assert wrongs(soaked, "") == ["3 of 200 visits ended by a missed pong"]


def test_a_short_soak_may_miss_two_pongs() -> None:
    soaked = flat()
    soaked.tally["visits"], soaked.tally["missed a pong"] = 20, 2
    assert wrongs(soaked, "") == []
    soaked.tally["missed a pong"] = 3
    assert wrongs(soaked, "") == ["3 of 20 visits ended by a missed pong"]


def test_a_soak_in_which_nothing_happened_is_none() -> None:
    quiet = flat()
    quiet.tally.clear()
    del quiet.readings[9:]
    found = wrongs(quiet, "")
    assert found == [
        "9 readings show no course of the memory",
        "only 0 visits in place of 1 minutes'",
        "nobody diverged",
        "nobody vanished",
        "nobody stayed",
        "nobody streamed",
    ]


def test_the_curve_is_drawn_within_its_axes() -> None:
    drawn = svg(flat().readings)
    points = [tuple(map(float, pair.split(","))) for pair in drawn.split('points="')[1].split('"')[0].split()]
    assert len(points) == 60
    assert all(64 <= x <= 704 and 36 <= y <= 272 for x, y in points)


@pytest.mark.parametrize("most", [0.5, 1.0, 3.0, 20.0, 99.0, 640.0, 1000.0])
def test_ticks_are_few_and_reach_far(most: float) -> None:
    found = ticks(most)
    assert 3 <= len(found) <= 7
    assert found[0] == 0
    assert most * 0.75 <= found[-1] <= most
