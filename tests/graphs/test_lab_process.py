"""The graph lab where something goes wrong, and its protocol: a row always ends with a Row."""

import asyncio
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from app.cli import main
from app.protocol.lab import read_from_guest, to_guest
from model.lab import bench
from model.lab.plan import SEED, Plan, full_plan
from model.lab.row import Row
from model.lab.words import readable
from model.network import Network
from model.program import Task
from model.recipe import Recipe
from model.torch_program import TorchProgram
from tests.support.labs import PATIENCE, TINY, lab_processes

PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
EXAMPLES = re.findall(r"```json (guest|lab)\n(.*?)\n```", PROTOCOL, re.DOTALL)


async def nothing(event: dict[str, Any]) -> None:
    pass


def last(plan: Plan = TINY, seconds: float = PATIENCE, looks: Callable[..., Awaitable[None]] = nothing) -> Row:
    """The Row of an eager run. `looks` is awaited for each event, as a viewer that it is sent to."""

    async def run() -> Row:
        async with aclosing(bench.run("eager", plan, seconds)) as events:
            async for event in events:
                if isinstance(event, Row):
                    return event
                await looks(event)
        raise AssertionError

    return asyncio.run(run())


def stand_in(folder: Path, script: str) -> str:
    """A program to be run in Python's place."""
    path = folder / "stand-in"
    path.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_lab_learns_what_the_service_learns() -> None:
    plan = Plan(chunks=full_plan().chunks[24:52], hidden_size=8)
    network = Network("rnn", 8, torch.Generator().manual_seed(SEED))
    program = TorchProgram(Recipe(hidden_size=8), network)
    losses: list[float] = []
    state = None
    for chunk, x, target in plan.samples():
        if state is not None and state.shape[1] != chunk.streams:
            state = None
        made = program.run(Task(x, target, state, 0.02, frozenset()))
        state = made.carried
        losses.append(made.loss)
    assert last(plan).loss == pytest.approx(losses, rel=1e-5)


def test_a_limit_that_passes_while_a_viewer_reads_slowly_ends_the_row_and_not_the_viewer() -> None:
    async def slowly(event: dict[str, Any]) -> None:
        if event["event"] == "chunk":
            await asyncio.sleep(12)

    row = last(seconds=10, looks=slowly)
    assert row.status == "failed"
    assert row.errors[-1].text == "took longer than 10 s"


def test_half_an_event_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = stand_in(tmp_path, """printf '{"event": "chu'; kill -9 $$""")
    monkeypatch.setattr(sys, "executable", program)
    row = last()
    assert row.status == "failed"
    assert row.errors[-1].text == "ended with code -9"


def test_a_process_that_does_not_start_is_a_row_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    row = last()
    assert row.status == "failed"
    assert "did not start" in row.errors[-1].text
    assert str(tmp_path) not in row.errors[-1].text


def test_a_file_that_happens_to_be_called_model_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert last().status == "done"


def test_last_words_name_no_folder_of_this_machine() -> None:
    text = last(TINY.model_copy(update={"hidden_size": -1})).errors[-1].text
    assert "ValueError: hidden_size must be greater than zero" in text
    assert "torch/nn/modules/rnn.py" in text
    assert not re.search(r'"/', text), text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('File "/opt/some where/app/y.py", line 3', 'File "y.py", line 3'),
        ('File "/opt/app/y.py", line 3', 'File "y.py", line 3'),
        ("'/var/folders/q1/k+.so'", "'k+.so'"),
        ("torch/nn/modules/rnn.py 3/4", "torch/nn/modules/rnn.py 3/4"),
        ("see https://docs.example.org/docs/main/x.html", "see https://docs.example.org/docs/main/x.html"),
        ("x" * 5000, "x" * 2000),
    ],
)
def test_words_keep_all_but_folders(said: str, shown: str) -> None:
    assert readable(said) == shown


# ---------------------------------------------------------------- the command


def test_rows_can_be_had_as_json() -> None:
    done = CliRunner().invoke(main, ["graphs", "eager", "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)
    assert len(Row.model_validate_json(json.dumps(row)).seconds) == len(full_plan().chunks)


def test_a_recording_is_of_all_kinds() -> None:
    done = CliRunner().invoke(main, ["graphs", "eager", "--record"])
    assert done.exit_code == 2
    assert "--record takes all kinds" in done.output


def test_ctrl_c_ends_the_command_with_its_process_and_writes_nothing(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("unrolled")), "graphs", "eager", "padded", "--to", "out.json"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # who is started in the background may not hear of it
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, preexec_fn=heard) as process:
        until = monotonic() + PATIENCE
        while not (found := lab_processes(process.pid)) and monotonic() < until:
            sleep(0.05)
        os.kill(found[0], signal.SIGSTOP)  # else it might be done before the command hears of anything
        descriptor = os.pidfd_open(found[0])
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert select.select([descriptor], [], [], PATIENCE)[0]
    os.close(descriptor)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- the protocol


@pytest.mark.parametrize(("who", "text"), EXAMPLES, ids=[text[:40] for _, text in EXAMPLES])
def test_every_example_of_the_lab_is_a_message_in_full(who: str, text: str) -> None:
    message: Any = (read_from_guest if who == "guest" else to_guest).validate_json(text)
    assert json.loads(message.model_dump_json()) == json.loads(text)


def test_every_message_of_the_lab_has_an_example() -> None:
    shown = {(who, json.loads(text)["type"]) for who, text in EXAMPLES} | {("lab", "error")}  # as in /ws/train
    assert shown == {("guest", kind) for kind in read_from_guest.json_schema()["discriminator"]["mapping"]} | {
        ("lab", kind) for kind in to_guest.json_schema()["discriminator"]["mapping"]
    }
