"""The graph lab's own runs, with TensorFlow, ONNX Runtime and torch.compile really there."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from app.cli import main
from model.lab.kinds import KINDS, KindName
from model.lab.plan import Plan, Planned, full_plan
from model.lab.row import Recording
from tests.conftest import Server
from tests.support.labs import guest, ran


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


@pytest.mark.parametrize("name", ["eager_steps", "padded"])
def test_eager_kinds_learn_the_same(name: str) -> None:
    assert ran(name).loss == pytest.approx(ran("eager").loss, rel=1e-5)


def test_padding_counts_what_it_computes_for_nothing() -> None:
    row = ran("padded")
    assert row.computed == (10, 7, 24, 24)
    assert ran("eager").computed == (10, 7, 12, 16)


def test_the_command_prints_a_table_and_writes_a_recording(tmp_path: Path) -> None:
    to = tmp_path / "graphs.json"
    done = CliRunner().invoke(main, ["graphs", "eager", "padded", "--to", str(to)])
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.stdout.splitlines()[:3]] == ["kind", "eager", "padded"]
    recording = Recording.model_validate_json(to.read_bytes())
    assert [row.kind for row in recording.rows] == ["eager", "padded"]
    assert "torch" in recording.versions


def test_quick_kinds_run_over_the_socket(server: Server) -> None:
    with guest(server) as one:
        assert one.plan["type"] == "plan"
        assert [kind["kind"] for kind in one.plan["kinds"]] == list(KINDS)
        assert len(one.plan["chunks"]) == 62
        one.send(type="run", kinds=["eager", "padded"])
        heard = one.until("done")
    assert [message["kind"] for message in heard if message["type"] == "began"] == ["eager", "padded"]
    chunks = [message["index"] for message in heard if message["type"] == "chunk"]
    assert chunks == [*range(62), *range(62)]
    rows = [message["row"] for message in heard if message["type"] == "ended"]
    assert [(row["kind"], row["status"]) for row in rows] == [("eager", "done"), ("padded", "done")]
