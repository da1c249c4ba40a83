"""Checkpoints: they open elsewhere, and nothing that is not one gets in."""

import json
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from model.checkpoint import (
    FORMAT,
    MAX_BYTES,
    METADATA,
    MOST_EARLIER,
    PROVEN,
    Checkpoint,
    CheckpointError,
    framework_of,
    model_id,
    versions,
)
from model.learner import Learner
from model.network import Network
from model.program import Program
from model.recipe import MOST_CHANGES, Change, Recipe
from model.torch_program import TorchProgram


def made(updates: int = 5, **fields: Any) -> Checkpoint:
    learner = Learner(Recipe.model_validate(fields))
    for _ in range(updates):
        learner.advance()
    return learner.checkpoint()


BLOB = made().to_bytes()


def altered(change_run: dict[str, Any] | None = None, **tensors: Any) -> bytes:
    """A checkpoint's bytes with parts of its run or some tensors replaced, or left out where None."""
    good = Checkpoint.from_bytes(BLOB)
    kept = {name: value for name, value in {**good.tensors, **tensors}.items() if value is not None}
    run = json.loads(good.run.model_dump_json()) | (change_run or {})
    return safetensors.numpy.save(kept, {METADATA: json.dumps(run)})


@pytest.mark.parametrize(("cell", "layer"), [("rnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)])
def test_it_opens_with_the_safetensors_library_and_loads_into_plain_layers(
    cell: str, layer: type[nn.RNNBase], tmp_path: Path
) -> None:
    file = tmp_path / "run.safetensors"
    file.write_bytes(made(cell=cell).to_bytes())
    tensors = load_file(file)
    rnn, out = layer(1, 32, batch_first=True), nn.Linear(32, 1)
    rnn.load_state_dict({name[4:]: value for name, value in tensors.items() if name.startswith("rnn.")})
    out.load_state_dict({name[4:]: value for name, value in tensors.items() if name.startswith("out.")})


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_no_other_tensor_is_named_like_the_networks(cell: str) -> None:
    names = made(cell=cell).tensors
    network = [name for name in names if name.startswith(("rnn.", "out."))]
    assert len(network) == 6
    for own in network:
        assert [name for name in names if name.endswith(own)] == [own]


def test_equal_runs_give_equal_bytes() -> None:
    assert made().to_bytes() == BLOB
    assert Checkpoint.from_bytes(BLOB).to_bytes() == BLOB
    assert model_id(BLOB) == model_id(made().to_bytes())
    assert len(model_id(BLOB)) == 16


def test_the_largest_recipe_fits() -> None:
    learner = Learner(
        Recipe(cell="lstm", hidden_size=128, fewest_streams=8, most_streams=8),
        changes=[Change(after_update=1000 + i, learning_rate=0.123456789, train=True) for i in range(MOST_CHANGES)],
    )
    learner.advance()
    blob = learner.checkpoint().to_bytes()
    assert len(blob) <= MAX_BYTES
    assert Checkpoint.from_bytes(blob).run.update == 1


def test_a_run_of_format_1_goes_on_without_the_losses_that_it_never_kept() -> None:
    good = Checkpoint.from_bytes(BLOB)
    run = json.loads(good.run.model_dump_json(exclude={"played", "earlier"})) | {"format": 1}
    tensors = {name: value for name, value in good.tensors.items() if name != "losses"}
    learner = Learner.resume(Checkpoint.from_bytes(safetensors.numpy.save(tensors, {METADATA: json.dumps(run)})))
    other = Learner.resume(good)
    assert learner.advance().loss == other.advance().loss
    again = Checkpoint.from_bytes(learner.checkpoint().to_bytes())
    assert (again.run.format, len(again.losses)) == (FORMAT, 0)


FORMATS = Path(__file__).parent / "formats"
"""Files of one run, written by the releases that made such: twelve updates of a GRU with two streams and a change."""

EARLIER_FORMATS = [(FORMATS / f"checkpoint-{number}.safetensors").read_bytes() for number in (1, 2)]
NEXT_LOSS = 0.440248
"""Of that run's update 13, in all releases but for rounding."""


def elsewhere(recipe: Recipe, network: Network) -> Program:
    """The compiled program of a maker that has other versions."""
    program = Learner(recipe).program
    program.versions = {"maker": "another"}
    return program


@pytest.mark.parametrize("data", EARLIER_FORMATS, ids=["1", "2"])
def test_a_file_of_an_earlier_format_that_says_torch_is_compiled_and_goes_on(data: bytes) -> None:
    checkpoint = Checkpoint.from_bytes(data)
    assert (checkpoint.recipe.framework, framework_of(data), checkpoint.run.format) == ("compiled", "compiled", FORMAT)
    learner = Learner.resume(checkpoint)
    assert not isinstance(learner.program, TorchProgram)
    assert learner.advance().loss == pytest.approx(NEXT_LOSS, rel=1e-4)
    again = learner.checkpoint().to_bytes()
    assert (framework_of(again), Checkpoint.from_bytes(again).run.update) == ("compiled", 13)


@pytest.mark.parametrize("data", EARLIER_FORMATS, ids=["1", "2"])
def test_a_run_of_an_earlier_format_that_moves_to_another_maker_says_so(data: bytes) -> None:
    checkpoint = Checkpoint.from_bytes(data)
    moved = Learner.resume(checkpoint, compiled=elsewhere)
    assert [(each.until_update, each.versions) for each in moved.earlier] == [(12, checkpoint.run.versions)]


@pytest.mark.parametrize("framework", ["compiled", "torch"])
def test_a_file_of_todays_format_means_the_framework_that_it_says(framework: str) -> None:
    blob = made(framework=framework).to_bytes()
    checkpoint = Checkpoint.from_bytes(blob)
    assert (framework_of(blob), checkpoint.recipe.framework) == (framework, framework)
    assert isinstance(Learner.resume(checkpoint).program, TorchProgram) is (framework == "torch")
    assert checkpoint.to_bytes() == blob


def test_the_versions_of_a_run_are_those_of_all_and_those_of_what_learns() -> None:
    class Made:
        versions: ClassVar = {"maker": "another", "processor": "this one"}

    learner = Learner(Recipe(), compiled=lambda *_: Made())  # type: ignore[arg-type, return-value]
    assert learner.versions == versions() | Made.versions
    assert made(framework="torch").run.versions == versions()
    assert {"unrolled", "torch", "numpy", "processor"} == versions().keys()


def test_the_losses_of_the_first_updates_travel_along_to_the_bit() -> None:
    learner = Learner(Recipe(samples=4))
    losses = [learner.advance().loss for _ in range(PROVEN // 2)]
    learner = Learner.resume(Checkpoint.from_bytes(learner.checkpoint().to_bytes()))
    losses += [learner.advance().loss for _ in range(PROVEN // 2 + 1)]
    kept = Checkpoint.from_bytes(learner.checkpoint().to_bytes()).losses
    assert kept.dtype == np.float32
    assert kept.tolist() == losses[:PROVEN]


def test_a_run_remembers_the_versions_that_it_was_made_with_but_not_for_ever() -> None:
    blob = BLOB
    for n in range(MOST_EARLIER + 2):
        checkpoint = Checkpoint.from_bytes(blob)
        run = checkpoint.run.model_copy(update={"versions": {"torch": str(n)}})
        blob = Learner.resume(Checkpoint(run, checkpoint.tensors)).checkpoint().to_bytes()
    earlier = Checkpoint.from_bytes(blob).run.earlier
    assert [each.versions["torch"] for each in earlier] == [str(n) for n in range(2, MOST_EARLIER + 2)]


def test_a_network_alone_is_a_model_but_no_run() -> None:
    network = Learner(Recipe(cell="gru")).checkpoint().network()
    blob = Checkpoint.of_network(Recipe(cell="gru"), network, interval=(0.1, 0.6), notes={"by": "a test"}).to_bytes()
    model = Checkpoint.from_bytes(blob)
    assert not model.resumable
    assert model.run.interval == (0.1, 0.6)
    x = torch.randn(1, 12, 1)
    assert torch.equal(model.network()(x)[0], network(x)[0])


NAN, INF = np.full(1, np.nan, np.float32), np.full(1, np.inf, np.float32)


@pytest.mark.parametrize(
    ("blob", "says"),
    [
        (b"", "at least 8 bytes"),
        (b"\x00" * 7, "at least 8 bytes"),
        (BLOB[:100], "header claims"),
        (BLOB[:-1], "not a safetensors file"),
        (BLOB + b"\x00", "not a safetensors file"),
        (bytes(MAX_BYTES + 1), "at most"),
        (struct.pack("<Q", 2**63) + b"{}", "header claims"),
        (struct.pack("<Q", 2) + b"{}", "is missing"),
        (struct.pack("<Q", 5) + b"[[[[[", "is missing"),
        (struct.pack("<Q", 60_000) + b"[" * 60_000, "is missing"),
        (safetensors.numpy.save({"a": NAN}), "is missing"),
        (safetensors.numpy.save({"a": NAN}, {"other": "{}"}), "is missing"),
        (safetensors.numpy.save({"a": NAN}, {METADATA: "{}"}), "recipe"),
        (safetensors.numpy.save({"a": NAN}, {METADATA: "[" * 100_000}), "run"),
        (altered({"format": 99}), "version 99; versions 1, 2 and 3"),
        (altered({"recipe": {"hidden_size": 129}}), "recipe.hidden_size"),
        (altered({"recipe": {"hidden_size": 16}}), "should be float32"),
        (altered({"recipe": {"cell": "lstm"}}), "should be float32"),
        (altered({"update": -1}), "update"),
        (altered({"update": 1e300}), "update"),
        (altered({"update": 2**53}), "update is at most"),
        (altered({"position": 2**53}), "position is at most"),
        (altered({"next_stream_id": 2**53}), "next_stream_id is at most"),
        (altered({"interval": [1.7e308, -1.7e308]}), "interval"),
        (altered({"interval": [3.0, 0.1]}), "interval"),
        (altered({"changes": [{str(name): 0 for name in range(15_000)}]}), "at most 10000 fields"),
        (altered({"position": True}), "position"),
        (altered({"loss_sum": "1"}), "loss_sum"),
        (altered({"surprise": 1}), "surprise"),
        (altered({"changes": [{"after_update": 1, "seed": 2}]}), "changes.0"),
        (altered({"optimizer_steps": 0}), "does not belong"),
        (altered(**{"out.bias": NAN}), "not finite"),
        (altered(**{"out.bias": INF}), "not finite"),
        (altered(**{"out.bias": np.zeros(2, np.float32)}), "out.bias"),
        (altered(**{"out.bias": np.zeros(1, np.float64)}), "out.bias"),
        (altered(**{"out.bias": None}), "out.bias is missing"),
        (altered(losses=None), "losses is missing"),
        (altered(losses=np.zeros(6, np.float32)), "tensor losses should be float32 .5."),
        (altered(losses=np.full(5, np.nan, np.float32)), "not finite"),
        (altered(losses=np.full(5, -1, np.float32)), "below 0"),
        (altered({"played": {"pace": 1e9}}), "pace"),
        (altered({"earlier": [{"until_update": 1, "versions": {}}] * 9}), "earlier"),
        (altered(hidden_state=None), "hidden_state is missing"),
        (altered(hidden_state=np.zeros((1, 9, 32), np.float32)), "hidden_state"),
        (altered(**{"streams.id": np.zeros(0, np.int64)}), "streams.id"),
        (altered(**{"streams.id": np.zeros((), np.int64)}), "streams.id"),
        (altered(**{"streams.id": np.ones(1, np.int64)}), "streams.id"),
        (altered(**{"streams.id": np.arange(9)}), "most_streams"),
        (altered(**{"streams.offset": np.full(1, np.nan)}), "not finite"),
        (altered(extra=np.zeros(1, np.float32)), "extra does not belong"),
        (altered(**{"optimizer.out.bias.exp_avg_sq": np.full(1, -1, np.float32)}), "below 0"),
        (altered(**{"generator.noise": np.zeros(3, np.uint64)}), "generator.noise"),
    ],
)
def test_what_is_no_checkpoint_is_refused_with_one_clear_sentence(blob: bytes, says: str) -> None:
    with pytest.raises(CheckpointError, match=says) as caught:
        Checkpoint.from_bytes(blob)
    assert len(str(caught.value)) < 400


@given(st.data())
def test_flipped_bytes_are_read_or_refused_but_never_crash(data: st.DataObject) -> None:
    blob = bytearray(BLOB)
    for _ in range(data.draw(st.integers(1, 6))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    try:
        checkpoint = Checkpoint.from_bytes(bytes(blob))
    except CheckpointError:
        return
    assert all(np.isfinite(tensor).all() for tensor in checkpoint.tensors.values())
    Learner.resume(checkpoint)
