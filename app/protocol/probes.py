"""Every shape on the wire of /healthz and /readyz."""

from typing import Literal

from pydantic import BaseModel, Field

Status = Literal["ok", "starting", "overloaded", "draining", "stopping"]


class Health(BaseModel):
    """The answer to a probe."""

    status: Status = Field(
        description="`starting` too while a training process that was lost is started again; `overloaded`: the next "
        "viewer or prediction would be turned away; `draining`: the server was told to stop, and still serves"
    )
