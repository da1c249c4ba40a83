"""Where the event loop and the training process meet."""

import asyncio
import gc
import os
import signal
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import orjson
import pytest

from app.protocol.updates import encode_update
from app.telemetry.metrics import Metrics
from app.training.link import ProcessLost, Run
from app.training.orders import Turn
from app.training.trainer import LEAST_WEIGHT, NotOffered, Trainer
from model.checkpoint import Checkpoint, CheckpointError
from model.learner import Learner
from model.play import PlayState
from model.receipt import Receipt
from model.recipe import Change, Recipe
from tests.support.cost import Told
from tests.support.nursery import trained

R = TypeVar("R")
HEAVY, LIGHT = Recipe(cell="lstm", hidden_size=4), Recipe(cell="gru", hidden_size=4)
SLOW = Recipe(framework="torch", hidden_size=4)
COSTS = Told({"lstm": 0.03, "gru": 0.001, "torch": 0.01})
"""A heavy update is longer than any turn; one of PyTorch's may be made together with others."""
NOTHING: frozenset[str] = frozenset()

OnALoop = Callable[[Callable[[Trainer], Awaitable[R]]], R]


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture(scope="module")
def on_a_loop(metrics: Metrics) -> Iterator[OnALoop[object]]:
    """Runs a test with a trainer. All share one process."""
    with asyncio.Runner() as runner:
        trainer = Trainer(metrics, trained(COSTS))

        def run(test: Callable[[Trainer], Awaitable[R]]) -> R:
            return runner.run(test(trainer.on_an_account()))

        yield run

        async def close() -> None:
            trainer.close()

        runner.run(close())


def shown(turn: Turn) -> list[dict[str, object]]:
    return orjson.loads(b"[" + turn.text + b"]")


async def made(trainer: Trainer, run: Run, count: int) -> list[dict[str, object]]:
    updates: list[dict[str, object]] = []
    while len(updates) < count:
        updates += shown(await trainer.advance(run, count - len(updates), NOTHING))
    return updates


def test_a_run_over_there_is_the_learners(on_a_loop: OnALoop[None]) -> None:
    async def test(trainer: Trainer) -> None:
        recipe = Recipe(cell="gru", most_streams=2)
        run = await trainer.begin(recipe, None, ())
        learner = Learner(recipe)
        for update in await made(trainer, run, 20):
            alone = orjson.loads(encode_update(learner.advance()))
            assert {**update, "milliseconds": None} == {**alone, "milliseconds": None}
        assert run.update == 20
        assert (run.parameters, run.text) == (learner.program.parameters, learner.program.text)

    on_a_loop(test)


def test_runs_that_advance_together_are_those_that_advance_alone(on_a_loop: OnALoop[None]) -> None:
    async def test(trainer: Trainer) -> None:
        recipes = [Recipe(seed=seed, hidden_size=8 + seed) for seed in range(6)]
        runs = [await trainer.begin(recipe, None, ()) for recipe in recipes]
        together = await asyncio.gather(*(made(trainer.on_an_account(), run, 12) for run in runs))
        for recipe, updates in zip(recipes, together, strict=True):
            learner = Learner(recipe)
            assert [update["loss"] for update in updates] == [
                orjson.loads(encode_update(learner.advance()))["loss"] for _ in range(12)
            ]

    on_a_loop(test)


def test_a_turn_ends_in_time_however_much_was_asked_for(on_a_loop: OnALoop[Turn]) -> None:
    async def test(trainer: Trainer) -> Turn:
        run = await trainer.begin(HEAVY, None, ())
        return await trainer.advance(run, 10_000, NOTHING)

    assert on_a_loop(test).made == 1, "one takes longer than any turn"


def test_a_heavy_run_does_not_starve_a_light_one(on_a_loop: OnALoop[tuple[int, int]]) -> None:
    async def test(trainer: Trainer) -> tuple[int, int]:
        heavy, light = await trainer.begin(HEAVY, None, ()), await trainer.begin(LIGHT, None, ())

        async def play(own: Trainer, run: Run) -> int:
            turns = 0
            while light.update < 200:
                await own.advance(run, 1000, NOTHING)
                turns += 1
            return turns

        _, turns = await asyncio.gather(play(trainer.on_an_account(), heavy), play(trainer.on_an_account(), light))
        return heavy.update, turns

    heavy, turns = on_a_loop(test)
    assert 1 <= heavy <= turns + 1, "however many it asks for, one of its updates for each turn of the light one"


def test_torch_and_compiled_at_pace_max_share_the_time_and_not_the_updates(on_a_loop: OnALoop[float]) -> None:
    async def test(trainer: Trainer) -> float:
        slow, fast = await trainer.begin(SLOW, None, ()), await trainer.begin(LIGHT, None, ())

        async def play(own: Trainer, run: Run) -> None:
            while fast.update < 400:
                await own.advance(run, 1000, NOTHING, weight=LEAST_WEIGHT)

        await asyncio.gather(*(play(trainer.on_an_account(), run) for run in (slow, fast)))
        return COSTS.seconds["torch"] * slow.update / (COSTS.seconds["gru"] * fast.update)

    assert 0.3 < on_a_loop(test) < 3, "an update of each at a time would give it ten times as much"


def test_max_takes_what_those_with_a_pace_leave(on_a_loop: OnALoop[list[int]]) -> None:
    async def test(trainer: Trainer) -> list[int]:
        runs = [await trainer.begin(HEAVY, None, ()) for _ in range(5)]

        async def play(own: Trainer, run: Run, weight: float) -> None:
            while runs[0].update < 8:
                await own.advance(run, 1, NOTHING, weight=weight)

        weights = [20.0] * 4 + [LEAST_WEIGHT]
        await asyncio.gather(*(play(trainer.on_an_account(), *each) for each in zip(runs, weights, strict=True)))
        return [run.update for run in runs]

    *paced, wild = on_a_loop(test)
    assert min(paced) >= 7
    assert wild <= 3


def test_a_turn_stops_where_it_is_told_to(on_a_loop: OnALoop[list[object]]) -> None:
    async def test(trainer: Trainer) -> list[object]:
        run = await trainer.begin(Recipe(), None, ())
        updates: list[object] = []
        while run.update < 7:
            updates += [update["update"] for update in shown(await trainer.advance(run, 100, NOTHING, 7))]
        return updates

    assert on_a_loop(test) == [1, 2, 3, 4, 5, 6, 7]


def test_divergence_is_part_of_the_turn_with_the_updates_before_it(on_a_loop: OnALoop[None]) -> None:
    async def test(trainer: Trainer) -> None:
        run = await trainer.begin(Recipe(optimizer="sgd", learning_rate=1.0), None, ())
        updates = 0
        while True:
            turn = await trainer.advance(run, 100, NOTHING)
            updates += turn.made
            if turn.diverged:
                break
        assert turn.update == run.update == updates
        assert turn.diverged in {"loss", "out.weight.grad"}
        last_good = Checkpoint.from_bytes(await trainer.checkpoint(run, PlayState()))
        assert last_good.run.update == updates

    on_a_loop(test)


def test_a_change_and_a_checkpoint_cross_over(on_a_loop: OnALoop[None]) -> None:
    async def test(trainer: Trainer) -> None:
        run = await trainer.begin(Recipe(), None, [Change(after_update=1, train=False)])
        await trainer.change(run, {"learning_rate": 0.5}, None)
        assert [change.after_update for change in run.changes] == [0, 1]
        data = await trainer.checkpoint(run, PlayState(pace=7.0))
        assert [change.after_update for change in Checkpoint.from_bytes(data).run.changes] == [0, 1]
        again, played = await trainer.resume(data)
        assert played == PlayState(pace=7.0)
        assert again.changes == run.changes
        with pytest.raises(CheckpointError):
            await trainer.resume(b"nothing")
        with pytest.raises(ValueError, match="in order"):
            await trainer.begin(
                Recipe(), None, [Change(after_update=2, train=False), Change(after_update=1, train=True)]
            )

    on_a_loop(test)


def test_a_receipt_is_compared_over_there(on_a_loop: OnALoop[None]) -> None:
    async def test(trainer: Trainer) -> None:
        run = await trainer.begin(Recipe(seed=5), None, ())
        await made(trainer, run, 9)
        receipt = Receipt.of(Checkpoint.from_bytes(await trainer.checkpoint(run, PlayState())))
        assert (await trainer.compare(run, receipt)).equal

    on_a_loop(test)


def test_updates_are_counted_and_ticks_timed(metrics: Metrics, on_a_loop: OnALoop[None]) -> None:
    def count(name: str) -> float:
        return metrics.registry.get_sample_value(name) or 0.0

    before = count("unrolled_updates_total"), count("unrolled_tick_seconds_count")

    async def test(trainer: Trainer) -> None:
        run = await trainer.begin(Recipe(), None, ())
        for _ in range(3):
            await trainer.advance(run, 1, NOTHING)

    on_a_loop(test)
    assert count("unrolled_updates_total") - before[0] == 3
    assert count("unrolled_tick_seconds_count") - before[1] == 3


def test_a_run_that_nobody_holds_is_let_go_and_an_order_of_it_disturbs_nobody(on_a_loop: OnALoop[None]) -> None:
    async def test(trainer: Trainer) -> None:
        runs = [await trainer.begin(Recipe(seed=seed), None, ()) for seed in range(8)]
        waiting = [asyncio.create_task(trainer.on_an_account().advance(run, 5, NOTHING)) for run in runs[:4]]
        await asyncio.sleep(0)  # they are on their way
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        kept = runs[7]
        runs.clear()
        gc.collect()
        assert len(await made(trainer, kept, 5)) == 5

    on_a_loop(test)


def test_who_goes_while_a_run_is_begun_leaves_nothing_behind(on_a_loop: OnALoop[None]) -> None:
    async def test(trainer: Trainer) -> None:
        link = (await trainer.begin(Recipe(), None, ())).link
        assert link.child is not None
        for _ in range(3):
            os.kill(link.child.process.pid, signal.SIGSTOP)  # nothing is begun before whoever asked has gone
            beginning = [asyncio.create_task(trainer.begin(Recipe(seed=seed), None, ())) for seed in range(5)]
            await asyncio.sleep(0)  # they are on their way
            for task in beginning:
                task.cancel()
            assert all(
                isinstance(end, CancelledError) for end in await asyncio.gather(*beginning, return_exceptions=True)
            )
            os.kill(link.child.process.pid, signal.SIGCONT)
            await trainer.begin(Recipe(), None, ())  # behind them in line
        gc.collect()
        trainer.let_go()
        assert await trainer.count("torch") <= 1, "the newest run's end may still be on its way"
        assert link.is_idle

    on_a_loop(test)


def test_a_lost_process_is_told_and_the_next_run_has_another() -> None:
    async def test() -> None:
        trainer = Trainer(Metrics(), trained())
        run = await trainer.begin(Recipe(), None, ())
        resting = await trainer.begin(Recipe(seed=2), None, ())
        data = await trainer.checkpoint(run, PlayState())
        child = run.link.child
        assert child is not None
        os.kill(child.process.pid, signal.SIGKILL)
        with pytest.raises(ProcessLost):
            while True:
                await trainer.advance(run, 1, NOTHING)
        again, _ = await trainer.resume(data)
        with pytest.raises(ProcessLost):
            await trainer.advance(resting, 1, NOTHING)
        with pytest.raises(ProcessLost):
            await trainer.checkpoint(resting, PlayState())
        assert len(await made(trainer, again, 3)) == 3
        trainer.close()

    asyncio.run(test())


def test_compiled_and_torch_share_a_process_and_it_is_called_main(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()

    def started(process: str) -> float:
        return metrics.training_started.labels(process=process)._value.get()

    async def test() -> None:
        trainer = Trainer(metrics, trained())
        for framework in ("compiled", "torch"):
            run = await trainer.begin(Recipe(framework=framework), None, ())
            assert len(await made(trainer, run, 3)) == 3
            assert run.link.child is not None
            assert metrics.training_process == run.link.child.process.pid
        assert await trainer.count("compiled") == await trainer.count("torch")
        os.kill(metrics.training_process, signal.SIGKILL)
        await trainer.lost()
        trainer.close()

    asyncio.run(test())
    assert (started("main"), started("tensorflow")) == (1, 0)
    assert "the training process main has ended" in caplog.text


def test_a_framework_that_is_not_offered_is_taken_in_by_no_process() -> None:
    async def test() -> None:
        trainer = Trainer(Metrics(), offered=("compiled", "tensorflow"))
        with pytest.raises(NotOffered, match=r"\(compiled, tensorflow\), not torch"):
            await trainer.begin(Recipe(framework="torch"), None, ())
        with pytest.raises(NotOffered, match="not torch"):
            await trainer.resume(Learner(Recipe(framework="torch")).checkpoint().to_bytes())

    asyncio.run(test())


def test_a_training_process_that_cannot_be_started_is_lost_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none_to_be_had(name: str) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("app.training.link.Child", none_to_be_had)
    with pytest.raises(ProcessLost):
        asyncio.run(Trainer(Metrics()).start())
    assert "Too many open files" in caplog.text
