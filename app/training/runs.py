"""Runs: the learners of a training process."""

from collections.abc import Sequence
from typing import Any, TypeVar

from app.training.orders import ApplyChange, Begin, Call, Compare, CountRuns, Facts, Resume, TakeCheckpoint
from model.checkpoint import Checkpoint
from model.learner import Learner
from model.play import PlayState
from model.recipe import Change, Framework, Recipe

R = TypeVar("R")


class Runs:
    """The learners of this process, by number."""

    def __init__(self) -> None:
        self._learners: dict[int, Learner] = {}
        self._seconds: dict[int, float] = {}  # what the newest update of each took
        self._usual: dict[Framework, float] = {}  # and the newest of all that one framework made

    def __getitem__(self, run: int) -> Learner:
        return self._learners[run]

    def __contains__(self, run: int) -> bool:
        return run in self._learners

    def carry_out(self, call: Call[R]) -> R:
        """The result of an order. Raises whatever the learner raises, or KeyError where the run has ended."""
        done: Any
        match call:
            case CountRuns():
                done = len(self._learners)
            case Begin():
                done = self._begin(call.run, call.recipe, call.weights, call.changes)
            case Resume():
                done = self._resume(call.run, call.data)
            case ApplyChange():
                learner = self._learners[call.run]
                done = learner.change(call.fields, call.after), learner.changes
            case TakeCheckpoint():
                done = self._learners[call.run].checkpoint(call.played).to_bytes()
            case Compare():
                done = call.receipt.compared(self._learners[call.run])
            case _:
                raise TypeError(f"no such order: {call}")
        result: R = done
        return result

    def _begin(self, run: int, recipe: Recipe, weights: Checkpoint | None, changes: Sequence[Change]) -> Facts:
        return self._take_in(run, Learner(recipe, weights, changes), None)

    def _resume(self, run: int, data: bytes) -> Facts:
        checkpoint = Checkpoint.from_bytes(data)
        return self._take_in(run, Learner.resume(checkpoint), checkpoint.run.played)

    def _take_in(self, run: int, learner: Learner, played: PlayState | None) -> Facts:
        self._learners[run] = learner
        program = learner.program
        return Facts(
            run,
            learner.recipe,
            learner.changes,
            learner.update,
            program.parameters,
            program.text,
            learner.versions,
            learner.earlier,
            played,
        )

    def leave(self, run: int) -> None:
        self._learners.pop(run, None)
        self._seconds.pop(run, None)

    def took(self, run: int, seconds: float) -> None:
        """Note what the newest update of a run cost."""
        self._seconds[run] = self._usual[self._learners[run].recipe.framework] = seconds

    def newest(self, run: int) -> float | None:
        """Seconds that a run's newest update cost, if it has made one here."""
        return self._seconds.get(run)

    def expected(self, run: int) -> float:
        """Seconds that a run's next update should take: as its newest, or as the newest of any in its framework."""
        if run not in self._learners:
            return 0.0
        return self._seconds.get(run, self._usual.get(self._learners[run].recipe.framework, 0.0))
