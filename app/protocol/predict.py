"""Every shape on the wire of POST /predict and of the models that answer it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

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


PREDICT_EXAMPLES: dict[str, dict[str, Any]] = {
    "one": {"summary": "half a period of a sine", "value": {"sequence": SINE}},
    "ragged": {
        "summary": "two sequences of different length, with their true answers",
        "value": {"sequences": [SINE, SINE[:4]], "targets": [COSINE, COSINE[:4]], "states": [None, None]},
    },
}
