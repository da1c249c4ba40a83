"""Turns: bursts as long as a run's share of a tick, that end where they should."""

import itertools

import orjson
import pytest

from app.training.orders import Advance, Begin
from app.training.runs import Runs
from app.training.turns import TICK_SECONDS, Meter, Turns
from model.recipe import Recipe


@pytest.fixture
def runs() -> Runs:
    """Three runs, the last of which diverges after a few updates."""
    runs = Runs()
    for number, recipe in enumerate((Recipe(), Recipe(seed=2), Recipe(optimizer="sgd", learning_rate=1.0))):
        runs.carry_out(Begin(number, 0, 1.0, number, recipe, None, ()))
    return runs


def still() -> float:
    """A clock on which nothing takes any time."""
    return 0.0


def order(run: int, most: int = 1000, stop_at: int = 0) -> Advance:
    return Advance(run, 0, 1.0, run, most, frozenset(), stop_at)


def test_a_burst_is_as_long_as_a_runs_share_of_a_tick(runs: Runs) -> None:
    turns = Turns(
        runs, [order(0), order(1)], lambda recipe, _: TICK_SECONDS / 10 if recipe.seed == 2 else 1.0, Meter(), still
    )
    for _ in range(3):
        turns.tick()
    assert [made for made, _ in turns.ticks] == [2, 6, 6], "one each while nobody knows, then one of ten and a half"
    assert (runs[0].update, runs[1].update) == (3, 11)
    assert turns.seconds == {0: 3.0, 1: pytest.approx(1.1 * TICK_SECONDS)}


def test_what_costs_nothing_has_no_endless_burst(runs: Runs) -> None:
    turns = Turns(runs, [order(0, most=10_000)], lambda recipe, seconds: 0.0, Meter(), still)
    turns.tick()
    turns.tick()
    assert 1 < turns.turn(order(0)).made < 10_000


@pytest.mark.parametrize(("most", "stop_at", "made"), [(1, 0, 1), (5, 0, 5), (100, 7, 7)])
def test_a_burst_ends_where_its_order_does(runs: Runs, most: int, stop_at: int, made: int) -> None:
    turns = Turns(runs, [order(0, most, stop_at)], lambda recipe, seconds: 0.0, Meter(), still)
    while turns.going:
        turns.tick()
    turn = turns.turn(order(0))
    assert (turn.made, turn.update) == (made, made)
    assert [update["update"] for update in orjson.loads(b"[" + turn.text + b"]")] == list(range(1, made + 1))


def test_a_burst_ends_where_its_run_diverges(runs: Runs) -> None:
    turns = Turns(runs, [order(2)], lambda recipe, seconds: 0.0, Meter(), still)
    while turns.going:
        turns.tick()
    turn = turns.turn(order(2))
    assert turn.diverged is not None
    assert turn.made == turn.update == sum(made for made, _ in turns.ticks) - 1, "the one that diverged was tried"


def test_a_burst_ends_with_its_share_of_the_tick_where_updates_cost_more_than_they_did(runs: Runs) -> None:
    time = itertools.count(step=TICK_SECONDS)
    turns = Turns(runs, [order(0)], lambda recipe, seconds: 1e-9, Meter(), lambda: next(time))
    for _ in range(3):
        turns.tick()
    assert [made for made, _ in turns.ticks] == [1, 1, 1]
