"""A checkpoint's network as an ONNX model, which other programs and languages can run."""

import json
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from model.checkpoint import Array, Checkpoint
from model.inference import TRAINED_INTERVAL
from model.network import state_parts
from model.recipe import Cell

if TYPE_CHECKING:  # at run time it is imported when the first model is asked for: a server starts sooner without it
    from onnx import ModelProto, NodeProto, ValueInfoProto

OPSET = 11
"""Version of the operators: of 2019, and what is used of them means the same in each version since."""

IR_VERSION = 6
"""Version of the file format, of the same year: a runtime refuses files that are newer than itself."""

_OPERATORS = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}

# ONNX's place for each of PyTorch's gates: GRU reset, update, new → z, r, h; LSTM i, f, g, o → i, o, f, c
_ORDER = {"rnn": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}


def to_onnx(checkpoint: Checkpoint) -> bytes:
    """The network as an ONNX model; equal checkpoints give equal bytes.

    It takes `x`, float32 [batch, time, 1], and `state`, float32 [parts, batch, hidden] with one part (h) for rnn
    and gru and two (h, c) for lstm: zeros to begin with. It gives `prediction`, like `x`, and `state_out`, the
    `state` to go on from. Any batch and any time ≥ 1 will do.
    """
    return bytes(_model(checkpoint).SerializeToString(deterministic=True))


def file_name(checkpoint: Checkpoint) -> str:
    """The name for the file where nobody gives one."""
    return f"unrolled-{checkpoint.recipe.cell}-{checkpoint.run.update}.onnx"


def _model(checkpoint: Checkpoint) -> "ModelProto":
    from onnx import TensorProto, helper, numpy_helper

    recipe = checkpoint.recipe
    parts, hidden = state_parts(recipe.cell), recipe.hidden_size

    def shown(name: str, shape: list[str | int], doc: str) -> "ValueInfoProto":
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape, doc)

    graph = helper.make_graph(
        _nodes(recipe.cell, hidden),
        "unrolled",
        [
            shown("x", ["batch", "time", 1], "samples of sines"),
            shown("state", [parts, "batch", hidden], "zeros to begin with, then the last state_out"),
        ],
        [
            shown("prediction", ["batch", "time", 1], "their cosines"),
            shown("state_out", [parts, "batch", hidden], "the state after the last sample"),
        ],
        [numpy_helper.from_array(weight, name) for name, weight in _weights(checkpoint).items()],
    )
    version = metadata.version("unrolled")
    model = helper.make_model(
        graph,
        producer_name="unrolled",
        producer_version=version,
        doc_string="A recurrent network that turns sin into cos, for sequences of any length.",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    about = {
        "cell": recipe.cell,
        "hidden_size": str(hidden),
        "update": str(checkpoint.run.update),
        "recipe": recipe.model_dump_json(),
        "interval": json.dumps(checkpoint.run.interval or TRAINED_INTERVAL),  # radians between two samples
        "unrolled": version,
    }
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    return model


def _nodes(cell: Cell, hidden_size: int) -> "list[NodeProto]":
    from onnx.helper import make_node

    # ONNX Runtime knows its recurrent operators with time first only
    time_first = make_node("Transpose", ["x"], ["x_by_time"], perm=[1, 0, 2])
    weights = ["x_by_time", "weight_ih", "weight_hh", "bias", ""]  # "": all sequences are as long as `time`
    operator = _OPERATORS[cell]
    inside: dict[str, Any] = {"hidden_size": hidden_size}
    if cell == "lstm":
        recurrent = [
            make_node("Split", ["state"], ["h", "c"], axis=0),
            make_node(operator, [*weights, "h", "c"], ["hidden", "h_out", "c_out"], **inside),
            make_node("Concat", ["h_out", "c_out"], ["state_out"], axis=0),
        ]
    else:
        if cell == "gru":
            inside["linear_before_reset"] = 1  # as in PyTorch, the reset gate scales W h + b and not h alone
        recurrent = [make_node(operator, [*weights, "state"], ["hidden", "state_out"], **inside)]
    return [
        time_first,
        *recurrent,  # hidden: [time, 1, batch, hidden], 1 for the one direction
        make_node("MatMul", ["hidden", "out_weight"], ["product"]),
        make_node("Add", ["product", "out_bias"], ["sum"]),
        make_node("Squeeze", ["sum"], ["prediction_by_time"], axes=[1]),
        make_node("Transpose", ["prediction_by_time"], ["prediction"], perm=[1, 0, 2]),
    ]


def _weights(checkpoint: Checkpoint) -> dict[str, Array]:
    """The weights where ONNX wants them: with a direction in front, and both biases in one row."""
    order, hidden_size = _ORDER[checkpoint.recipe.cell], checkpoint.recipe.hidden_size
    tensors = checkpoint.tensors

    def gates(name: str) -> Array:
        rows = tensors[f"rnn.{name}_l0"]
        by_gate = rows.reshape(len(order), hidden_size, *rows.shape[1:])
        return by_gate[order].reshape(rows.shape)

    return {
        "weight_ih": gates("weight_ih")[None],
        "weight_hh": gates("weight_hh")[None],
        "bias": np.concatenate([gates("bias_ih"), gates("bias_hh")])[None],
        "out_weight": np.ascontiguousarray(tensors["out.weight"].T),
        "out_bias": tensors["out.bias"],
    }
