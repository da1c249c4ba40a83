"""The graph lab with TensorFlow, ONNX Runtime and torch.compile really there."""

import numpy as np
import pytest

from model.lab.kinds import KindName
from model.lab.plan import Plan, Planned, full_plan
from tests.test_lab import ran


@pytest.mark.parametrize("name", ["tensorflow_v1", "tf_function", "tf_function_signature", "eager_steps", "padded"])
def test_every_kind_learns_the_same(name: KindName) -> None:
    eager, row = ran("eager", full_plan()), ran(name, full_plan())
    assert row.status == "done"
    both = [(ours, theirs) for ours, theirs in zip(eager.loss, row.loss, strict=True) if theirs is not None][:12]
    assert [theirs for _, theirs in both] == pytest.approx([ours for ours, _ in both], rel=1e-3)


def test_tensorflow_1_takes_any_length_and_refuses_a_second_stream_in_its_own_words() -> None:
    plan = full_plan()
    row = ran("tensorflow_v1", plan)
    failed = {index for failure in row.errors for index in failure.chunks}
    assert failed == {index for index, chunk in enumerate(plan.chunks) if chunk.streams > 1}
    assert all("Cannot feed value of shape" in failure.text for failure in row.errors)
    assert set(row.graphs) == {1}


def test_tf_function_traces_for_each_shape_and_once_with_a_signature() -> None:
    plan = full_plan()
    shapes = {(chunk.streams, chunk.length) for chunk in plan.chunks}
    traced = ran("tf_function", plan)
    assert traced.graphs[-1] == len(shapes)
    assert any("retracing" in note for note in traced.notes)
    assert set(ran("tf_function_signature", plan).graphs) == {1}


def test_torch_export_refuses_an_open_length_and_takes_the_scan() -> None:
    row = ran("export_onnx", full_plan())
    assert row.status == "done"
    (refusal,) = row.errors
    assert refusal.chunks == ()
    assert "specialized it to be a constant" in refusal.text
    assert set(row.graphs) == {1}
    assert not any(seconds is None for seconds in row.seconds)
    assert row.loss[0] == pytest.approx(ran("eager", full_plan()).loss[0], rel=1e-5)  # before anything was learned


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["compile_static", "compile_dynamic"])
def test_torch_compile_builds_a_graph_for_each_length(name: KindName) -> None:
    lengths = [2, 3, 2, 2, 3]
    plan = Plan(chunks=tuple(Planned(phase="known", length=length, streams=1) for length in lengths), hidden_size=4)
    row = ran(name, plan, 380)
    assert row.status == "done", row.errors
    assert row.loss == pytest.approx(ran("eager", plan).loss, rel=1e-3)
    assert row.graphs == (1, 2, 2, 2, 2)  # a length that has come before is not compiled again
    seconds = np.array(row.seconds, dtype=float)
    assert seconds[:2].min() > 10 * seconds[2:].max()
