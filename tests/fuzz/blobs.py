"""Checkpoints taken apart, so that each part can be made hostile, and put together again."""

import copy
import json
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

from model.checkpoint import METADATA, Checkpoint
from model.learner import Learner
from model.recipe import Change, Recipe

RECIPES: list[dict[str, Any]] = [
    *({"cell": cell, "hidden_size": 4, "optimizer": by} for cell in ("rnn", "gru", "lstm") for by in ("adam", "sgd")),
    {"cell": "rnn", "hidden_size": 1},
    {"cell": "gru", "hidden_size": 5, "fewest_streams": 2, "most_streams": 4, "noise": 0.3},
    {"cell": "lstm", "hidden_size": 3, "most_streams": 8, "shortest": 2, "longest": 2, "sampling": "uniform"},
    {"cell": "rnn", "hidden_size": 8, "train": False, "most_streams": 3},
]  # fmt: skip
CHANGES = (
    Change(after_update=1, learning_rate=0.1),
    Change(after_update=3, carry_state=False, train=True),
    Change(after_update=40, learning_rate=0.001, carry_state=True),
)


@dataclass
class Parts:
    """A safetensors file: what its header says of the tensors, the run in its metadata, and the tensors' bytes."""

    header: dict[str, Any]
    run: Any
    data: bytearray

    @classmethod
    def of(cls, blob: bytes) -> "Parts":
        (size,) = struct.unpack("<Q", blob[:8])
        header = json.loads(blob[8 : 8 + size])
        run = json.loads(header.pop("__metadata__")[METADATA])
        return cls(header, run, bytearray(blob[8 + size :]))

    def copy(self) -> "Parts":
        return copy.deepcopy(self)

    def blob(self, run: str | None = None) -> bytes:
        text = json.dumps(self.run) if run is None else run
        return packed(json.dumps({"__metadata__": {METADATA: text}, **self.header}).encode(), self.data)

    def place(self, name: str) -> tuple[int, int]:
        start, end = self.header[name]["data_offsets"]
        return start, end


def packed(header: bytes, data: bytes | bytearray) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


@cache
def good() -> tuple[bytes, ...]:
    """Valid checkpoints of every cell and optimiser, of one stream and many, with changes made and to come."""
    blobs = []
    for fields in RECIPES:
        for updates, changes in ((0, ()), (6, CHANGES)):
            learner = Learner(Recipe.model_validate(fields), changes=changes)
            for _ in range(updates):
                learner.advance()
            blobs.append(learner.checkpoint().to_bytes())
    pytorch = Learner(Recipe(framework="torch", hidden_size=2))
    pytorch.advance()
    blobs.append(pytorch.checkpoint().to_bytes())
    network = Learner(Recipe(hidden_size=2)).checkpoint().network()
    blobs.append(Checkpoint.of_network(Recipe(hidden_size=2), network, notes={"made": "by hand"}).to_bytes())
    # a run of TensorFlow's is one that a server without it must refuse
    tensorflow = Parts.of(blobs[0])
    tensorflow.run["recipe"]["framework"] = "tensorflow"
    blobs.append(tensorflow.blob())
    return tuple(blobs)


@cache
def heavy() -> bytes:
    """The largest recipe that there is, so near its limit as a run can come."""
    learner = Learner(
        Recipe(cell="lstm", hidden_size=128, fewest_streams=8, most_streams=8, longest=6, shortest=6, samples=20)
    )
    learner.advance()
    return learner.checkpoint().to_bytes()
