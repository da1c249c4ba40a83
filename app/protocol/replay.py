"""Every shape on the wire of a replay, /ws/verify."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter

from app.protocol.train import Trouble
from model.receipt import Receipt
from model.recipe import Frozen


class Verify(Frozen):
    """Make this receipt's run again and compare."""

    type: Literal["verify"]
    receipt: Receipt


class Cancel(Frozen):
    """End the replay that is under way, if one is."""

    type: Literal["cancel"]


FromVerifier = Annotated[Verify | Cancel, Field(discriminator="type")]

read_from_verifier: TypeAdapter[FromVerifier] = TypeAdapter(FromVerifier)


class Progress(BaseModel):
    """How far the replay has come."""

    type: Literal["progress"] = "progress"
    update: int
    updates: int


class VerdictShown(BaseModel):
    """The end of a replay: whether its losses are the receipt's to the last bit."""

    type: Literal["verdict"] = "verdict"
    equal: bool = Field(description="to the last bit")
    updates: int = Field(description="made here; fewer than the receipt's where the replay diverged")
    losses_sha256: str = Field(description="of the losses made here")
    versions: dict[str, str] = Field(description="those of this server")


class Cancelled(BaseModel):
    """No replay is under way."""

    type: Literal["cancelled"] = "cancelled"


ToVerifier = Annotated[Progress | VerdictShown | Cancelled | Trouble, Field(discriminator="type")]

to_verifier: TypeAdapter[ToVerifier] = TypeAdapter(ToVerifier)
