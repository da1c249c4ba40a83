"""What is measured beside ours: the tutorial's loop and JAX learn from the same chunks, each in its turn."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import __main__ as program
from bench.chunks import chunks
from bench.results import interleaved
from bench.serving import command
from bench.split import split, training
from bench.tutorial import LAYERS, Tutorial
from bench.workers import worker
from model.learner import Learner
from model.network import Network
from model.recipe import Recipe
from model.signal import Signal
from tests.support import tutorial

JAX_NAMES = {
    "input": "rnn.weight_ih_l0",
    "hidden": "rnn.weight_hh_l0",
    "input_bias": "rnn.bias_ih_l0",
    "hidden_bias": "rnn.bias_hh_l0",
    "out": "out.weight",
    "out_bias": "out.bias",
}


def test_chunks_are_the_tutorials_each_from_where_the_last_one_ended() -> None:
    made = list(chunks(200))
    assert {len(x) for x, _ in made} == {10, 20, 30}
    assert all(x.dtype == y.dtype == np.float32 for x, y in made)
    for (x, y), (later_x, later_y) in pairwise(made):
        assert abs(x[-1] - later_x[0]) < 1e-4, "the sample at a seam comes twice"
        assert abs(y[-1] - later_y[0]) < 1e-4
    ours = Signal(Recipe())
    lengths = [ours.next().length for _ in range(200)]
    assert set(lengths) == {10, 20, 30}, "as ours draws them"


@pytest.mark.parametrize("cell", LAYERS)
def test_the_loop_learns_with_each_cell(cell: str) -> None:
    network = Tutorial(cell)
    x = torch.zeros(1, 10, 1)
    prediction, state = network(x, None)
    again, _ = network(x, state)
    assert prediction.shape == again.shape == (1, 10, 1)
    assert not torch.equal(prediction, again), "the state is carried"


def test_all_are_first_equally_often_and_what_each_took_stays_apart() -> None:
    said: list[str] = []

    def take(name: str) -> str:
        said.append(name)
        return f"{name}{len(said)}"

    one, two, three = interleaved(6, *(lambda name=name: take(name) for name in "abc"))
    assert [said[first] for first in range(0, 18, 3)] == list("abcabc")
    assert {each[0] for each in one} == {"a"}
    assert {each[0] for each in two} == {"b"}
    assert {each[0] for each in three} == {"c"}


def test_a_worker_runs_the_code_of_the_build_that_it_is_asked_for(tmp_path: Path) -> None:
    other = tmp_path / "other"
    package, scripts = other / "model", other / ".venv/bin"
    package.mkdir(parents=True)
    scripts.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "recipe.py").write_text("class Recipe:\n    model_validate = lambda fields: fields['cell']\n")
    (package / "learner.py").write_text(
        "class Learner:\n"
        "    def __init__(self, cell): assert cell == 'gru'\n"
        "    def advance(self): import other_build\n"
    )
    (package.parent / "other_build.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    python = scripts / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{other}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    with worker("bare_learner", "gru", build=other) as bare:
        assert bare(3) >= 0
    assert (tmp_path / "ran").exists()
    assert command(other)[0] == str(scripts / "unrolled")


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        (["training"], [*program.TRAINING]),
        (["probes", "memory"], ["probes", "memory"]),
        ([], [*program.TRAINING, *program.OTHERS]),
    ],
)
def test_a_name_runs_its_benchmark_and_training_all_that_are_measured_beside_another_build(
    arguments: list[str], runs: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[str] = []
    for name in program.TRAINING:
        monkeypatch.setitem(program.TRAINING, name, lambda against, name=name: ran.append(name) or against == tmp_path)
    for name in program.OTHERS:
        monkeypatch.setitem(program.OTHERS, name, lambda name=name: ran.append(name) or True)
    assert program.main([*arguments, "--against", str(tmp_path)]) == 0
    assert ran == runs


def test_a_benchmark_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["fleet"])
    assert "no benchmark fleet; there are training, learner, streaming" in capsys.readouterr().err


def test_jax_has_the_losses_of_the_loop() -> None:
    import jax.numpy as jnp

    from bench.jax_scan import losses

    start = Network("rnn", 32, torch.Generator().manual_seed(1))
    arrays = {name: jnp.array(weight.squeeze()) for name, weight in start.arrays().items()}
    weights = {ours: arrays[theirs] for ours, theirs in JAX_NAMES.items()}
    lengths = [len(x) for x, _ in chunks(10)]
    assert losses(weights, 10) == pytest.approx(tutorial.losses(start, lengths, torch.float32), rel=1e-4)


def test_what_a_sample_of_the_event_loop_was_is_said_by_the_frame_nearest_to_what_runs() -> None:
    stacks = """run (asyncio/runners.py:1);serve (app/live/viewer.py:1);_send (app/training/link.py:1) 6
run (asyncio/runners.py:1);serve (app/live/viewer.py:1);send (uvicorn/impl.py:1) 3
run (asyncio/runners.py:1) 1
_bootstrap (threading.py:1);_worker (concurrent/futures/thread.py:81) 90"""
    assert split(stacks) == {"orders to and fro": 0.6, "sending": 0.3, "the loop itself": 0.1}


def test_all_that_an_update_takes_is_in_one_part_and_the_product_is_as_it_was() -> None:
    before = Signal.next, Learner.advance
    parts = training(viewers=3, most=2, mixed=True)
    assert all(each > 0 for each in parts.values())
    assert len(parts) == 7
    assert (Signal.next, Learner.advance) == before
