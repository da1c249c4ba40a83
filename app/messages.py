"""Every shape on the wire."""

import base64
import json
import sys
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

import numpy as np
import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from model.checkpoint import Earlier
from model.play import Pace, PlayState, View
from model.recipe import MOST_CHANGES, Change, Frozen, LiveFields, Recipe
from model.training import Update

# ---------------------------------------------------------------- HTTP: /predict, /models, probes

Code = Literal[
    "broken_json",  # 400: the body is not JSON
    "body_too_large",  # 413
    "body_too_slow",  # 408
    "missing",  # 422: a field that must be there is not
    "unknown_field",
    "conflict",  # two fields that exclude each other, or lists that must match
    "wrong_type",
    "not_finite",
    "out_of_range",
    "bad_state",  # not a state that this model handed out
    "bad_model",  # an upload that is not a checkpoint
    "token_needed",  # 401: the operator asks everyone for a token
    "foreign_origin",  # 403: a page of another origin had a browser send this
    "unknown_model",  # 404
    "not_found",  # 404
    "method_not_allowed",  # 405
    "bad_request",  # any other 4xx
    "not_installed",  # 501: an optional framework is not on this server
    "busy",  # 503, with Retry-After
    "store_full",  # 507: no room for another model
    "failed",  # 500: our own bug
    # websockets only; the connection stays open
    "unknown_type",  # a message type that is not in the protocol
    "not_open",  # the first message is `open`
    "bad_checkpoint",  # not a checkpoint that can be resumed
    "checkpoint_expected",  # after `open` with `resume` comes one binary frame
    "checkpoint_unexpected",  # a binary frame that no `open` announced
    "changes_full",  # the run's change log has no room
]

WarningCode = Literal[
    "amplitude",  # a sine larger than those that the model was trained on
    "interval",  # samples closer or further apart
    "more",  # in place of all warnings after the first eight
]

LARGEST = 1e6  # a sample's magnitude; far beyond any sine, and safe to multiply in float32

Sample = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
Sequence = Annotated[list[Sample], Field(min_length=1, fail_fast=True)]
State = Annotated[str, Field(max_length=4096)]

PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
"""As every reader of OpenAPI understands it; `prefixItems`, pydantic's way to write a tuple, is too new for some."""

SINE = [0.0, 0.3090, 0.5878, 0.8090, 0.9511, 1.0, 0.9511, 0.8090, 0.5878, 0.3090, 0.0]
COSINE = [1.0, 0.9511, 0.8090, 0.5878, 0.3090, 0.0, -0.3090, -0.5878, -0.8090, -0.9511, -1.0]


class Problem(BaseModel):
    """Why a request was refused."""

    code: Code = Field(description="what is wrong, from a closed list")
    field: str = Field(description="where it is wrong, such as `sequences.1.4`; empty for the whole request")
    detail: str = Field(description="a sentence that names the bound and the value that came")


class PredictRequest(BaseModel):
    """Sin sequences to turn into cos: exactly one of `sequence` and `sequences`."""

    # Unknown fields are collected, then refused by name: pydantic's "forbid" makes one error object for each.
    model_config = ConfigDict(
        strict=True,
        extra="allow",
        json_schema_extra={
            "additionalProperties": False,
            "oneOf": [
                {"required": [name], "properties": {name: {"type": "array"}}} for name in ("sequence", "sequences")
            ],
        },
    )

    sequence: Sequence | None = Field(None, description="samples of a sine, at most 10,000")
    sequences: Annotated[list[Sequence], Field(min_length=1, fail_fast=True)] | None = Field(
        None, description="several sequences, each of its own length; at most 64"
    )
    state: State | None = Field(None, description="the `state` of an earlier answer: go on from there")
    states: Annotated[list[State | None], Field(fail_fast=True)] | None = Field(
        None, description="one state or null for each of `sequences`"
    )
    target: Sequence | None = Field(None, description="the true answer, to get `mse`; as long as `sequence`")
    targets: Annotated[list[Sequence], Field(fail_fast=True)] | None = Field(
        None, description="one target for each of `sequences`, of its length"
    )
    model: str = Field("sine", max_length=64, description="id of a model in `GET /models`")


class ModelSummary(BaseModel):
    """One model that can predict."""

    id: str = Field(description="`sine`, or the first 16 hex digits of the SHA-256 of its bytes")
    cell: Literal["rnn", "gru", "lstm"]
    hidden_size: int
    parameters: int = Field(description="how many trained numbers it has")
    interval: Annotated[tuple[float, float], WithJsonSchema(PAIR)] = Field(
        description="radians between two samples that it was trained for, from and to"
    )


class StoredModelSummary(ModelSummary):
    """One model in the store."""

    bytes: int = Field(description="size of its checkpoint")
    update: int = Field(description="optimiser updates behind it")


class ModelList(BaseModel):
    """The models that can predict, the one that ships with the project first."""

    models: list[StoredModelSummary]


class PredictAnswer(BaseModel):
    """The answer to `sequence`."""

    prediction: list[float] = Field(description="one number for each sample")
    state: str = Field(description="the hidden state after the last sample; send it with what follows")
    model: ModelSummary
    warnings: list[str] = Field(description="why the answer may be poor; empty when nothing looks odd")
    warning_codes: list[WarningCode] | None = Field(None, description="the kind of each warning, where there are any")
    mse: float | None = Field(None, description="mean squared error against `target`, where one came")


class PredictAnswers(BaseModel):
    """The answer to `sequences`, in their order."""

    predictions: list[list[float]]
    states: list[str]
    model: ModelSummary
    warnings: list[str]
    warning_codes: list[WarningCode] | None = None
    mses: list[float] | None = None


class QrRequest(Frozen):
    """A text to draw as a QR code."""

    text: str = Field(min_length=1, max_length=2000, description="what the code says, such as an address")


QR_EXAMPLES: dict[str, dict[str, Any]] = {
    "link": {"summary": "a link to a run", "value": {"text": "http://127.0.0.1:8000/#seed=3&cell=gru"}}
}


Status = Literal["ok", "starting", "overloaded", "draining", "stopping"]


class Health(BaseModel):
    """What a probe hears."""

    status: Status = Field(
        description="`starting` too while a training process that was lost is started again; `overloaded`: the next "
        "viewer or prediction would be turned away; `draining`: the server was told to stop, and still serves"
    )


class ScriptRequest(Frozen):
    """A run to write as a PyTorch script."""

    recipe: Recipe = Field(Recipe(), description="fields left out take their defaults; `framework` must be torch")
    changes: tuple[Change, ...] = Field(
        (), max_length=MOST_CHANGES, fail_fast=True, description="the run's change log, in order of `after_update`"
    )


SCRIPT_EXAMPLES: dict[str, dict[str, Any]] = {
    "tutorial": {"summary": "the tutorial's run", "value": {}},
    "changed": {
        "summary": "a GRU whose learning rate was lowered after update 31",
        "value": {"recipe": {"cell": "gru"}, "changes": [{"after_update": 31, "learning_rate": 0.005}]},
    },
}

PREDICT_EXAMPLES: dict[str, dict[str, Any]] = {
    "one": {"summary": "half a period of a sine", "value": {"sequence": SINE}},
    "ragged": {
        "summary": "two sequences of different length, with their true answers",
        "value": {"sequences": [SINE, SINE[:4]], "targets": [COSINE, COSINE[:4]], "states": [None, None]},
    },
}


# ---------------------------------------------------------------- websocket: what a viewer says

PROTOCOL = 1
MAX_TEXT_BYTES = 2**17  # of one text message: room for a full change log
MOST_TAG = 2**53
MAX_AFTER = 1000  # updates beyond its checkpoint at which a run may be taken up again


class Open(Frozen):
    """Begin a run from a recipe or, with `resume`, go on from the checkpoint in the binary frame that follows."""

    type: Literal["open"]
    recipe: Recipe = Field(Recipe(), description="fields left out take their defaults")
    changes: tuple[Change, ...] = Field(
        (), max_length=MOST_CHANGES, fail_fast=True, description="a change log to replay"
    )
    resume: bool = Field(False, description="go on from a checkpoint")
    after: int | None = Field(None, ge=0, le=2**53, description="updates up to this one are not sent again")
    tag: int | None = Field(
        None, ge=0, le=MOST_TAG, description="comes back with the answer, to tell it from that to another `open`"
    )
    pace: Pace = Field(20.0, description="updates per second; left out with `resume`: the checkpoint's")
    play: bool = Field(True, description="start playing; left out with `resume`: as the checkpoint did")
    views: frozenset[View] = Field(
        frozenset(),
        max_length=4,
        fail_fast=True,
        description="what updates show beyond the minimum; left out with `resume`: the checkpoint's",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        for name in self.model_fields_set & {"recipe", "changes"}:
            if self.resume:
                raise PydanticCustomError("conflict", "resume takes {name} from the checkpoint", {"name": name})
        if self.after is not None and not self.resume:
            raise PydanticCustomError("conflict", "{name} goes with resume", {"name": "after"})
        return self

    def played(self, before: PlayState | None) -> PlayState:
        """What it asks for; what it leaves out is as `before`."""
        asked = PlayState(pace=self.pace, playing=self.play, views=tuple(sorted(self.views)))
        names = {"pace": "pace", "play": "playing", "views": "views"}
        left_out = {names[name] for name in names.keys() - self.model_fields_set}
        return asked.model_copy(update=before.model_dump(include=left_out)) if before else asked


class Seen(Frozen):
    """The viewer has drawn every update up to this one."""

    type: Literal["seen"]
    update: int = Field(ge=0, le=2**53)


class Play(Frozen):
    """Go on."""

    type: Literal["play"]


class Pause(Frozen):
    """Make no further updates until asked."""

    type: Literal["pause"]


class Step(Frozen):
    """Make one update and stay paused."""

    type: Literal["step"]


class SetPace(Frozen):
    """Change the pace."""

    type: Literal["pace"]
    pace: Pace


class SetViews(Frozen):
    """What updates show beyond the minimum, from the next one on."""

    type: Literal["views"]
    views: frozenset[View] = Field(max_length=4, fail_fast=True)


class AskCheckpoint(Frozen):
    """Send a binary checkpoint of the run as it stands."""

    type: Literal["checkpoint"]


class Ping(Frozen):
    """Answer at once; whoever hears nothing is on a connection that is no more."""

    type: Literal["ping"]


class SetLive(LiveFields):
    """Change live fields of the recipe from the next update on, or once update `after_update` is made."""

    type: Literal["change"]
    after_update: int | None = Field(None, ge=0, le=2**53, description="One that is still to be made, or the newest.")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.fields():
            raise PydanticCustomError("missing", "Input should set at least one live field of the recipe")
        return self


FromViewer = Annotated[
    Open | Seen | Play | Pause | Step | SetPace | SetViews | SetLive | AskCheckpoint | Ping, Field(discriminator="type")
]

read_from_viewer: TypeAdapter[FromViewer] = TypeAdapter(FromViewer)

# ---------------------------------------------------------------- websocket: what the server says

Row = list[float]


class NetworkSummary(BaseModel):
    """The network of a run."""

    cell: Literal["rnn", "gru", "lstm"]
    hidden_size: int
    parameters: int
    text: str = Field(description="what `print` shows of it")


class FloorsShown(BaseModel):
    """Mean losses that a network cannot beat; null where no such bound is known."""

    memoryless: float | None = Field(description="without any memory")
    no_carry: float | None = Field(description="without state carried across seams")
    joining: float = Field(description="even with it, from streams that join and bring none; 0 for a single stream")


class Opened(BaseModel):
    """A run has begun. A binary checkpoint follows."""

    type: Literal["opened"] = "opened"
    protocol: int = PROTOCOL
    tag: int | None = Field(description="that of the `open` which this answers")
    connection: str = Field(description="what the server's log calls this connection")
    recipe: Recipe
    changes: tuple[Change, ...]
    update: int = Field(description="updates made so far: 0, or the checkpoint's")
    window: int = Field(description="updates that the server may be ahead of `seen`")
    network: NetworkSummary
    floors: FloorsShown
    versions: dict[str, str] = Field(description="what the numbers depend on beside recipe and changes")
    earlier: tuple[Earlier, ...] = Field(
        description="the versions that the run was made with before these; where there are any, its numbers are not "
        "promised to be those that one machine would have made"
    )
    played: PlayState = Field(description="pace, whether it plays, and views, as asked or as the checkpoint had them")


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
        description="what each part took, or this run's share where many learned together; `run` where all are one "
        "call, in TensorFlow"
    )
    hidden: list[str] | None = Field(
        None,
        description="view `hidden`: for each stream time × units in bytes, base64; a byte is a signed number of 127ths",
    )
    gradient: list[Row] | None = Field(None, description="view `gradient`: the norm of ∂L/∂h at each time step")
    prediction_after: list[Row] | None = Field(None, description="view `after`: made after the weights moved")
    nodes: int | None = Field(
        None, description="view `graph`: autograd nodes behind the loss, or TensorFlow's operations"
    )


class Updates(BaseModel):
    """One update or several, in order."""

    type: Literal["updates"] = "updates"
    updates: list[UpdateShown]
    updates_per_second: float | None = Field(
        None, description="there while the machine cannot keep up with the paces asked of it: what this run is given"
    )
    viewers: int | None = Field(None, description="beside it: how many viewers there are")


class Changed(LiveFields):
    """Live fields took new values after an update. A binary checkpoint follows."""

    type: Literal["changed"] = "changed"
    after_update: int


class Finished(BaseModel):
    """`stop_after` is reached; the run is paused, and `play` goes on."""

    type: Literal["finished"] = "finished"
    update: int


class DivergedAt(BaseModel):
    """An update failed, since a tensor is not finite. The last good checkpoint follows; the run is paused."""

    type: Literal["diverged"] = "diverged"
    update: int
    tensor: str


class CheckpointFollows(BaseModel):
    """A binary checkpoint follows that nobody asked for: the run as it stands, to be gone on from."""

    type: Literal["checkpoint"] = "checkpoint"
    update: int


class Pong(BaseModel):
    """The connection is well."""

    type: Literal["pong"] = "pong"


class Trouble(Problem):
    """A message was refused. The connection stays open."""

    type: Literal["error"] = "error"
    tag: int | None = Field(None, description="that of the `open` which is refused, if it had one")


FromServer = Annotated[
    Opened | Updates | Changed | Finished | DivergedAt | CheckpointFollows | Pong | Trouble, Field(discriminator="type")
]

to_viewer: TypeAdapter[FromServer] = TypeAdapter(FromServer)


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
    shown = {name: value for name, value in vars(update).items() if value is not None}
    shown |= {"loss": np.float32(update.loss), "mean_loss": np.float32(update.mean_loss)}
    if update.hidden is not None:
        # a state lies within ±1, and a lane of colours shows no more than 255 of them; a gated cell goes on from
        # whatever a checkpoint holds, though, and a cast makes another number of what is beyond
        bounded = np.clip(np.nan_to_num(update.hidden, nan=0.0), -1, 1)
        bytes_ = np.rint(bounded * 127).astype(np.int8)
        shown["hidden"] = [base64.b64encode(stream.tobytes()).decode() for stream in bytes_]
    return shown


def protocol_schema() -> dict[str, Any]:
    """The JSON schema of all websocket messages, as it is kept in docs/messages.schema.json."""
    return {
        "title": "Messages of /ws/train",
        "viewer": read_from_viewer.json_schema(),
        "server": to_viewer.json_schema(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(protocol_schema(), indent=1, sort_keys=True) + "\n")
