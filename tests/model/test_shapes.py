"""The shapes that model/ says of its arrays hold while it computes: some of its tests again, with every call checked.

Checking all of them in every test took half of the processor time of those that compute.
"""

import os
import sys
from pathlib import Path

import pytest

from model.compiled.machine_code import CELLS, kernel
from tests.support.nursery import alone

CHECKED = (
    "test_signal.py::test_chunks_are_the_tutorials_numbers_to_the_bit",
    "test_signal.py::test_a_signal_goes_on_from_its_state_to_the_bit",
    "test_network.py",
    "test_learner.py::test_views_show_what_they_say",
    "test_learner.py::test_a_stream_that_joins_starts_from_zero_state",
    "test_learner.py::test_weights_of_a_model_are_where_a_run_begins",
    "test_compiled.py::test_views_are_the_references",
    "test_compiled.py::test_tensors_go_in_and_come_out_as_pytorch_lays_them_out",
    "test_checkpoint.py::test_equal_runs_give_equal_bytes",
    "test_detach.py::test_varying_streams_become_one_and_steady_ones_stay",
    "test_inference.py::test_a_ragged_batch_is_each_of_its_sequences_alone",
    "test_inference.py::test_the_interval_of_a_sine_is_found",
)


TESTS = Path(__file__).parent
OURS = ("app", "bench", "model", "tests")


def checked(output: Path) -> int:
    """Run them with all that is ours imported anew, as it is checked from then on."""
    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]
    with output.open("w") as said:
        for number in (1, 2):
            os.dup2(said.fileno(), number)
    plugins = ["-p", "jaxtyping._pytest_plugin", "-p", "pytest_timeout", "--noconftest"]
    packages = "--jaxtyping-packages=model,beartype.beartype"
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return int(pytest.main(["-q", *plugins, packages, *(f"{TESTS}/{name}" for name in CHECKED)]))


def test_shapes_hold_wherever_the_maths_is_tested(tmp_path: Path) -> None:
    for cell in CELLS:  # what is checked cannot be compiled: code is read from its file
        kernel(cell, "float32"), kernel(cell, "float64")
    output = tmp_path / "output"
    assert alone(checked, output) == 0, output.read_text()
    assert " passed in " in output.read_text()
