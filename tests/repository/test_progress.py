"""What a run of the tests says: which file is done, what each took with all that it started, how to run what failed."""

import os
import re
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from model.recipe import Recipe
from tests.support.cost import Times, Told
from tests.support.processor_time import ProcessorTime, spend
from tests.support.progress import lines

ROOT = Path(__file__).parents[2]
SPEND = "from tests.support.processor_time import spend; spend(0.2)"
BEGINS_ANOTHER = f"""
import os, subprocess, sys
other = subprocess.Popen([sys.executable, "-c", {SPEND + "; print(1, flush=True); input()"!r}],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
other.stdout.readline()
print(other.pid, flush=True)
input()
os._exit(0)
"""
TESTS = """
import pytest
from tests.support.processor_time import spend

def test_fine():
    spend(1.05)

@pytest.mark.parametrize("number", [1, 2])
def test_wrong(number):
    assert number == 1
"""


def test_processor_time_of_this_process_and_of_a_child_that_ended_counts() -> None:
    time = ProcessorTime()
    before = time.seconds()
    spend(0.2)
    subprocess.run([sys.executable, "-c", SPEND], cwd=ROOT, check=True)
    assert time.seconds() - before >= 0.35


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only what was waited for is known")
def test_processor_time_of_a_child_that_goes_on_and_of_one_that_outlives_its_parent_counts() -> None:
    time = ProcessorTime()
    before = time.seconds()
    with subprocess.Popen(
        [sys.executable, "-c", BEGINS_ANOTHER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        other = int(parent.stdout.readline())
        both = time.seconds() - before
        assert both >= 0.15
        descriptor = os.pidfd_open(other)
        parent.kill()
    assert time.seconds() - before >= 0.15, "it goes on, or has ended with its input"
    select.select([descriptor], [], [])
    os.close(descriptor)
    for _ in range(2):
        assert time.seconds() - before >= 0.15, "it has ended, and is this process's to wait for"
    with pytest.raises(ChildProcessError):
        os.waitpid(other, 0)


def run(folder: Path, *options: str) -> str:
    file = folder / "test_some.py"
    file.write_text(TESTS)
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "-p", "tests.support.progress", *options, file]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout


def ends_well(said: str) -> None:
    """With what each file took, and how to run what failed."""
    ending = said.split("processor time, servers and browsers included")[1]
    row = next(line for line in ending.splitlines() if line.endswith("test_some.py"))
    assert float(row.split()[0]) >= 1.0
    assert "in all" in ending
    alone = ending.split("to run what failed alone")[1].splitlines()[1]
    assert alone.startswith(".venv/bin/pytest '")
    assert alone.endswith("test_some.py::test_wrong[2]'")


def test_a_run_ends_with_what_each_file_took_and_how_to_run_what_failed(tmp_path: Path) -> None:
    ends_well(run(tmp_path))


def test_a_run_of_several_processes_says_too_which_file_is_done_and_at_once_what_failed(tmp_path: Path) -> None:
    said = run(tmp_path, "-p", "xdist", "-n", "1", "--dist", "loadscope")
    ends_well(said)
    assert re.search(r"^FAILED \S+::test_wrong\[2\]\n\[100%\] \S*test_some.py: 1 failed, 2 passed in ", said, re.M)


def test_the_dearest_file_comes_first_and_cheap_ones_are_added_up() -> None:
    table = lines(Counter({"a.py": 0.25, "b.py": 2.0, "c.py": 7.0, "d.py": 0.5}))
    assert table == [
        "     7.0 s  c.py",
        "     2.0 s  b.py",
        "     0.8 s  2 others, each under 1 s",
        "     9.8 s  in all",
    ]


def test_costs_are_told_by_cell_or_as_many_times_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    told: Callable[[Recipe, float], float] = Told({"lstm": 0.05})
    assert told(Recipe(cell="lstm"), 0.02) == 0.05
    assert told(Recipe(cell="lstm"), 0.07) == 0.05
    assert Times(10)(Recipe(), 0.5) == 5.0
    assert Times(0)(Recipe(), 0.5) == 0.0
    assert slept == pytest.approx([0.03, 0.0, 4.5, 0.0])


def test_shaken_runs_a_command_beside_busy_loops_and_answers_as_it_did() -> None:
    command = [sys.executable, "-m", "tests.support.shaken", sys.executable, "-c", "import sys; sys.exit(7)"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 7
