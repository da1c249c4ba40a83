"""Environment variables → Settings. Every name begins with UNROLLED_."""

import difflib
import re
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

from pydantic import Field, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 2**20

Framework = Literal["compiled", "torch", "tensorflow"]
"""As `model.recipe` has it, whose import takes seconds; a test holds the two together."""

FRAMEWORKS: tuple[Framework, ...] = get_args(Framework)


class Settings(BaseSettings):
    """The operator's choices. A value out of bounds stops the start with a message that names the field.

    The message does not repeat the value, which may be the token. Whether a proxy's X-Forwarded-* headers are believed
    is uvicorn's own setting (FORWARDED_ALLOW_IPS).
    """

    model_config = SettingsConfigDict(env_prefix="UNROLLED_", frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field("127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(8000, ge=0, le=65_535, description="TCP port to listen on; 0 takes a free one")
    log_level: Literal["critical", "error", "warning", "info", "debug"] = Field(
        "info", description="least severe line that is logged"
    )
    log_format: Literal["text", "json"] = Field("text", description="lines for people, or one JSON object a line")
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="origins, comma-separated, that may open a websocket beside the page's own"
    )

    token: SecretStr | None = Field(
        None,
        min_length=16,
        max_length=256,
        description="what everyone must have who uses the server; none: nobody needs anything",
    )

    workers: int = Field(1, ge=1, le=64, description="processes that listen on the port, each a full server")
    max_viewers: int = Field(
        1000,
        ge=1,
        le=10_000,
        description="open websockets of each kind, in each worker; one more is told to try later",
    )
    max_viewers_per_address: int = Field(
        0, ge=0, le=10_000, description="open websockets of one address, in each worker, likewise; 0: no limit"
    )
    max_message_bytes: int = Field(
        MIB, ge=1024, le=64 * MIB, description="bytes in one websocket message from a viewer"
    )
    drain_seconds: float = Field(
        0, ge=0, le=600, description="seconds between SIGTERM and the end in which `/readyz` says 503 and all is served"
    )
    handshake_seconds: float = Field(
        10,
        gt=0,
        le=600,
        description="seconds for the headers of a request, and for the first message of a viewer",
    )
    idle_seconds: float = Field(
        600, gt=0, le=86_400, description="seconds after which a viewer that sends nothing at all is let go"
    )
    frameworks: Annotated[tuple[Framework, ...], NoDecode] = Field(
        FRAMEWORKS, description="what runs may learn with, comma-separated; `compiled` is always among them"
    )
    lab_seconds: float = Field(
        120, gt=0, le=3600, description="seconds that one kind of graph may take in the page's graph lab"
    )

    max_sequence: int = Field(10_000, ge=1, le=10_000, description="samples in one sequence to predict")
    max_sequences: int = Field(64, ge=1, le=1024, description="sequences in one prediction request")
    max_body_bytes: int = Field(4 * MIB, ge=1024, le=64 * MIB, description="bytes in one request body")
    body_seconds: float = Field(20, gt=0, le=600, description="seconds that a request body may take to arrive")
    prediction_queue: int = Field(
        256,
        ge=1,
        le=100_000,
        description="prediction requests under way or waiting; one more is answered 503",
    )
    prediction_queue_samples: int = Field(
        4_000_000,
        ge=640_000,
        le=1_000_000_000,
        description="samples of all prediction requests under way or waiting; beyond it: 503",
    )

    models_dir: Path = Field(Path("models"), description="folder that keeps the uploaded checkpoints")
    max_models: int = Field(
        100, ge=0, le=10_000, description="uploaded checkpoints kept; for one more the least recently used goes"
    )
    max_models_bytes: int = Field(
        256 * MIB,
        ge=0,
        le=1024 * 1024 * MIB,
        description="bytes that all uploaded checkpoints may take together, likewise",
    )

    @field_validator("token")
    @classmethod
    def _plain(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9._~-]+", value.get_secret_value()):
            raise PydanticCustomError("token", "Input should be letters, digits and . _ ~ - alone")
        return value

    @field_validator("frameworks", mode="before")
    @classmethod
    def _of_the_three(cls, value: object) -> object:
        names = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if not isinstance(names, Collection) or "compiled" not in names or not set(names) <= set(FRAMEWORKS):
            says = "Input should be some of {known}, comma-separated, with compiled among them"
            raise PydanticCustomError("frameworks", says, {"known": ", ".join(FRAMEWORKS)})
        return tuple(name for name in FRAMEWORKS if name in names)

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value


OF_OTHERS = frozenset({"UNROLLED_URL", "UNROLLED_SUBNET"})
"""Variables that examples/ and deploy/ read, and no server."""


def unread(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Variables that look like settings and are none, each with the one that it may have been meant for."""
    known = {f"UNROLLED_{name.upper()}" for name in Settings.model_fields}
    strangers = [name for name in environment if name.startswith("UNROLLED_") and name.upper() not in known | OF_OTHERS]
    return {
        name: next(iter(difflib.get_close_matches(name.upper(), known, 1, cutoff=0.8)), None)
        for name in sorted(strangers)
    }


def settings_page() -> str:
    """The table of all settings, as it is kept in docs/settings.md."""
    rows = [
        f"| `UNROLLED_{name.upper()}` | {_default(field)} | {_bounds(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([_HEAD, *rows, ""])


_HEAD = """\
# Settings

All are environment variables, and none has to be set. Where a value is out of its bounds `unrolled serve` stops with a
line that names the variable. It warns of a name that begins with `UNROLLED_` and is none of these, but for
`UNROLLED_URL`, which examples/ read, and `UNROLLED_SUBNET`, which deploy/ does. What some settings mean for who runs
a server: [operations.md](operations.md). `make settings` writes this page from `app/settings.py`.

| variable | default | bounds | what |
| --- | --- | --- | --- |"""


def _default(field: FieldInfo) -> str:
    if field.default in ((), None):
        return "none"
    return f"`{','.join(field.default) if isinstance(field.default, tuple) else field.default}`"


def _bounds(field: FieldInfo) -> str:
    one, *_ = get_args(field.annotation) if get_origin(field.annotation) is tuple else [field.annotation]
    if get_origin(one) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(one))
    names = ("ge", "gt", "le", "min_length", "max_length")
    bounds = {name: getattr(each, name) for each in field.metadata for name in names if hasattr(each, name)}
    match bounds:
        case {"min_length": least, "max_length": most}:
            return f"{least} to {most} characters"
        case {"gt": least, "le": most}:
            return f"more than {least}, at most {most}"
        case {"ge": least, "le": most}:
            return f"{least} to {most}"
    return ""


if __name__ == "__main__":
    sys.stdout.write(settings_page())
