"""Every message of /ws/train: what a viewer says, and what the server says."""

import json
import sys
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    TypeAdapter,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.protocol.refusal import Problem
from app.protocol.updates import Updates
from model.checkpoint import Earlier
from model.play import Pace, PlayState, View
from model.recipe import MOST_CHANGES, Change, Frozen, LiveFields, Recipe

MAX_TEXT_BYTES = 2**17
"""Bytes in one text message, or in a JSON body but that of /predict: room for a full change log.

Each unknown field takes microseconds, and no other work is done meanwhile: 3 MB of them were seen to take 6 s.
"""

# ---------------------------------------------------------------- websocket: what a viewer says

PROTOCOL = 1
MOST_TAG = 2**53
MAX_AFTER = 10_000  # updates beyond its checkpoint at which a run may be taken up again: half a second's of a fast one


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
        """The play state that it asks for; what it leaves out is as `before`."""
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
    """Choose what updates show beyond the minimum, from the next one made."""

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


def protocol_schema() -> dict[str, Any]:
    """The JSON schema of all websocket messages, as it is kept in docs/messages.schema.json."""
    return {
        "title": "Messages of /ws/train",
        "viewer": read_from_viewer.json_schema(),
        "server": to_viewer.json_schema(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(protocol_schema(), indent=1, sort_keys=True) + "\n")
