"""Where the event loop and the training thread meet."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from app.metrics import Metrics
from app.trainer import TURN_SECONDS, Trainer
from model.checkpoint import Checkpoint, CheckpointError
from model.play import PlayState
from model.recipe import Change, Recipe
from model.training import Learner

R = TypeVar("R")
HEAVY = Recipe(cell="lstm", hidden_size=128, fewest_streams=8, most_streams=8, shortest=6, longest=6, samples=20)


@asynccontextmanager
async def a_trainer() -> AsyncIterator[Trainer]:
    trainer = Trainer(Metrics())
    try:
        yield trainer
    finally:
        trainer.close()


def on_a_loop(test: Callable[[Trainer], Awaitable[R]]) -> R:
    async def run() -> R:
        async with a_trainer() as trainer:
            return await test(trainer)

    return asyncio.run(run())


def test_all_training_happens_on_one_thread_that_is_not_the_event_loops() -> None:
    threads = set()

    class Watched(Learner):
        def advance(self, views: frozenset[str] = frozenset()) -> object:  # type: ignore[override]
            threads.add(threading.current_thread())
            return super().advance()

    async def test(trainer: Trainer) -> None:
        await asyncio.gather(*(trainer.advance(Watched(Recipe(seed=seed)), 2, frozenset()) for seed in range(5)))

    on_a_loop(test)
    assert len(threads) == 1
    assert threading.main_thread() not in threads


def test_a_turn_ends_in_time_however_much_was_asked_for() -> None:
    async def test(trainer: Trainer) -> int:
        learner = await trainer.begin(HEAVY, None, ())
        return len((await trainer.advance(learner, 10_000, frozenset())).updates)

    made = on_a_loop(test)
    assert 1 <= made < 100, f"a heavy update takes milliseconds, a turn {TURN_SECONDS} s"


def test_turns_are_taken_in_order_so_that_a_heavy_run_does_not_starve_a_light_one() -> None:
    async def test(trainer: Trainer) -> tuple[int, int]:
        heavy, light = await trainer.begin(HEAVY, None, ()), await trainer.begin(Recipe(), None, ())

        async def play(learner: Learner) -> None:
            while light.update < 60:
                await trainer.advance(learner, 1000, frozenset())

        await asyncio.gather(play(heavy), play(light))
        return heavy.update, light.update

    heavy, light = on_a_loop(test)
    assert heavy >= 1
    assert light >= 60


def test_a_turn_stops_where_it_is_told_to() -> None:
    async def test(trainer: Trainer) -> list[int]:
        learner = await trainer.begin(Recipe(), None, ())
        made: list[int] = []
        while not made or made[-1] < 7:
            made += [update.update for update in (await trainer.advance(learner, 100, frozenset(), 7)).updates]
        return made

    assert on_a_loop(test) == [1, 2, 3, 4, 5, 6, 7]


def test_divergence_is_part_of_the_turn_with_the_updates_before_it() -> None:
    async def test(trainer: Trainer) -> None:
        learner = await trainer.begin(Recipe(optimizer="sgd", learning_rate=1.0), None, ())
        made = 0
        while True:
            turn = await trainer.advance(learner, 100, frozenset())
            made += len(turn.updates)
            if turn.diverged:
                break
        assert learner.update == made
        assert turn.diverged.update == made + 1

    on_a_loop(test)


def test_a_change_and_a_checkpoint_cross_over() -> None:
    async def test(trainer: Trainer) -> None:
        learner = await trainer.begin(Recipe(), None, [Change(after_update=1, train=False)])
        await trainer.change(learner, {"learning_rate": 0.5}, None)
        data = await trainer.checkpoint(learner, PlayState())
        assert [change.after_update for change in Checkpoint.from_bytes(data).run.changes] == [0, 1]
        again, played = await trainer.resume(data)
        assert played == PlayState()
        assert again.now.learning_rate == 0.5
        with pytest.raises(CheckpointError):
            await trainer.resume(b"nothing")

    on_a_loop(test)


def test_updates_are_counted_and_timed() -> None:
    async def run() -> Metrics:
        metrics = Metrics()
        trainer = Trainer(metrics)
        learner = await trainer.begin(Recipe(), None, ())
        for _ in range(3):
            await trainer.advance(learner, 1, frozenset())
        trainer.close()
        return metrics

    registry = asyncio.run(run()).registry
    assert registry.get_sample_value("unrolled_updates_total") == 3
    assert registry.get_sample_value("unrolled_update_seconds_count") == 3
