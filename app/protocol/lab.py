"""Every shape on the wire of the graph lab, /ws/graphs."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter

from app.protocol.train import Trouble
from model.lab.kinds import Kind, KindName
from model.lab.plan import Planned
from model.lab.row import Row
from model.recipe import Frozen


class RunKinds(Frozen):
    """Run these kinds, one after the other."""

    type: Literal["run"]
    kinds: tuple[KindName, ...] = Field(min_length=1, max_length=9)


class Cancel(Frozen):
    """End the run under way, or leave the line."""

    type: Literal["cancel"]


FromGuest = Annotated[RunKinds | Cancel, Field(discriminator="type")]

read_from_guest: TypeAdapter[FromGuest] = TypeAdapter(FromGuest)


class PlanShown(BaseModel):
    """The first message: the chunks that are going to be run, and the kinds of graph that there are."""

    type: Literal["plan"] = "plan"
    chunks: tuple[Planned, ...]
    kinds: tuple[Kind, ...]


class Waiting(BaseModel):
    """Others are before this one."""

    type: Literal["waiting"] = "waiting"
    ahead: int


class Began(BaseModel):
    """A kind's process has started."""

    type: Literal["began"] = "began"
    kind: KindName
    framework: str


class SetUp(BaseModel):
    """The kind is ready for its first chunk."""

    type: Literal["setup"] = "setup"
    kind: KindName
    seconds: float
    import_seconds: float


class ChunkDone(BaseModel):
    """One chunk: how long it took, or the framework's own words on why it failed."""

    type: Literal["chunk"] = "chunk"
    kind: KindName
    index: int
    seconds: float | None
    graphs: int
    computed: int
    loss: float | None
    error: str | None


class Ended(BaseModel):
    """A kind is through, with all that it did."""

    type: Literal["ended"] = "ended"
    row: Row


class Done(BaseModel):
    """All kinds are through."""

    type: Literal["done"] = "done"


class Cancelled(BaseModel):
    """The run was ended as asked."""

    type: Literal["cancelled"] = "cancelled"


ToGuest = Annotated[
    PlanShown | Waiting | Began | SetUp | ChunkDone | Ended | Done | Cancelled | Trouble, Field(discriminator="type")
]

to_guest: TypeAdapter[ToGuest] = TypeAdapter(ToGuest)
