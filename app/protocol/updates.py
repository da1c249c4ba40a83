"""Updates on the wire: their shape, and the way from arrays to JSON."""

import base64
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import orjson
from pydantic import BaseModel, Field

from model.learner import Update

Row = list[float]

VIEWED = ("hidden", "gradient", "prediction_after", "nodes")
"""What is absent where its view was not asked for."""


class UpdateShown(BaseModel):
    """One update. Rows are streams, columns time steps."""

    update: int
    length: int
    streams: int
    stream_ids: list[int]
    t: list[Row] = Field(description="phase in radians")
    input: list[Row]
    target: list[Row]
    prediction: list[Row] = Field(description="made before the weights moved")
    loss: float = Field(description="mean squared error of this chunk")
    mean_loss: float = Field(description="mean of all losses so far")
    milliseconds: dict[Literal["forward", "backward", "optimizer", "run"], float] = Field(
        description="what each part took, in PyTorch; `run` where all are one call: compiled, and in TensorFlow"
    )
    hidden: list[str] | None = Field(
        None,
        description="view `hidden`: for each stream time × units in bytes, base64; a byte is a signed number of 127ths",
    )
    gradient: list[Row] | None = Field(None, description="view `gradient`: the norm of ∂L/∂h at each time step")
    prediction_after: list[Row] | None = Field(None, description="view `after`: made after the weights moved")
    nodes: int | None = Field(
        None, description="view `graph`: autograd nodes behind the loss in PyTorch, or TensorFlow's operations"
    )


class Updates(BaseModel):
    """One update or several, in order."""

    type: Literal["updates"] = "updates"
    updates: list[UpdateShown]
    updates_per_second: float | None = Field(
        None, description="there while the machine cannot keep up with the paces asked of it: what this run is given"
    )
    viewers: int | None = Field(None, description="beside it: how many viewers there are")


def encode_update(update: Update) -> bytes:
    """The JSON of one update. Float32 numbers are written in their shortest form that reads back the same."""
    return orjson.dumps(_shown(update), option=orjson.OPT_SERIALIZE_NUMPY)


def updates_text(updates: Iterable[bytes], per_second: float | None = None, viewers: int = 1) -> str:
    """The text of an `updates` message, of what `encode_update` made; with a rate where it falls behind the pace."""
    rate = b"" if per_second is None else b',"updates_per_second":%.1f,"viewers":%d' % (per_second, viewers)
    return (b'{"type":"updates","updates":[' + b",".join(updates) + b"]" + rate + b"}").decode()


def encode_updates(updates: Iterable[Update]) -> str:
    """The text of an `updates` message."""
    return updates_text(map(encode_update, updates))


def _shown(update: Update) -> dict[str, Any]:
    shown = vars(update).copy()
    shown["loss"], shown["mean_loss"] = np.float32(update.loss), np.float32(update.mean_loss)
    for name in VIEWED:
        if shown[name] is None:
            del shown[name]
    if update.hidden is not None:
        # a state lies within ±1, and a lane of colours shows no more than 255 of them; a gated cell goes on from
        # whatever a checkpoint holds, though, and a cast makes another number of what is beyond
        bounded = np.clip(np.nan_to_num(update.hidden, nan=0.0), -1, 1)
        bytes_ = np.rint(bounded * 127).astype(np.int8)
        shown["hidden"] = [base64.b64encode(stream.tobytes()).decode() for stream in bytes_]
    return shown
