"""The learners of a training process, and what their next updates are expected to take."""

import pytest

from app.training.orders import Begin
from app.training.runs import Runs
from model.recipe import Framework, Recipe

TORCH, OTHER, COMPILED, GONE = range(4)


@pytest.fixture
def runs() -> Runs:
    runs = Runs()
    frameworks: dict[int, Framework] = {TORCH: "torch", OTHER: "torch", COMPILED: "compiled"}
    for number, framework in frameworks.items():
        runs.carry_out(Begin(0, 0, 1.0, number, Recipe(framework=framework, hidden_size=2), None, ()))
    return runs


def test_a_new_run_is_expected_to_cost_what_its_framework_does(runs: Runs) -> None:
    assert runs.expected(OTHER) == 0, "nothing is known yet"
    runs.took(TORCH, 0.002)
    assert (runs.expected(TORCH), runs.expected(OTHER), runs.expected(COMPILED)) == (0.002, 0.002, 0)


def test_a_run_is_expected_to_cost_what_its_own_newest_update_did(runs: Runs) -> None:
    runs.took(OTHER, 0.001)
    runs.took(TORCH, 0.002)
    runs.took(OTHER, 0.003)
    assert (runs.expected(TORCH), runs.expected(OTHER)) == (0.002, 0.003)


def test_a_run_that_has_ended_is_expected_to_cost_nothing(runs: Runs) -> None:
    runs.took(TORCH, 0.002)
    runs.leave(TORCH)
    assert runs.expected(TORCH) == runs.expected(GONE) == 0
