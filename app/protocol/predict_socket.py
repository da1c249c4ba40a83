"""Every shape on the wire of a streamed prediction, /ws/predict."""

from typing import Annotated, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, Field, TypeAdapter

from app.protocol.predict import ModelSummary, Sample
from app.protocol.train import Trouble
from model.recipe import Frozen

MOST_SAMPLES = 1000
"""Samples of one message: as many as are predicted in a moment."""


class OpenModel(Frozen):
    """Ask this model from now on, from zero state. Without it `sine` answers."""

    type: Literal["open"]
    model: str = Field("sine", max_length=64, description="id of a model in `GET /models`")


class Hear(Frozen):
    """The samples that follow those before."""

    type: Literal["sample"]
    x: list[Sample] = Field(min_length=1, max_length=MOST_SAMPLES, fail_fast=True)


class Forget(Frozen):
    """Go back to zero state."""

    type: Literal["reset"]


FromSender = Annotated[OpenModel | Hear | Forget, Field(discriminator="type")]

read_from_sender: TypeAdapter[FromSender] = TypeAdapter(FromSender)


class ModelOpened(BaseModel):
    """Which model answers. The state is zero."""

    type: Literal["opened"] = "opened"
    model: ModelSummary


class Prediction(BaseModel):
    """One number for each sample of one message."""

    type: Literal["prediction"] = "prediction"
    y: list[float]


class Forgotten(BaseModel):
    """The state is zero."""

    type: Literal["reset"] = "reset"


ToSender = Annotated[ModelOpened | Prediction | Forgotten | Trouble, Field(discriminator="type")]

to_sender: TypeAdapter[ToSender] = TypeAdapter(ToSender)


def encode_prediction(y: NDArray[np.float32]) -> str:
    """The text of a `prediction`, float32 numbers in their shortest form."""
    return orjson.dumps({"type": "prediction", "y": y}, option=orjson.OPT_SERIALIZE_NUMPY).decode()
