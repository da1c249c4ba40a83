"""Mistake: what a user of the command line got wrong, in one line; and what all commands do with files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from app.models import Model, ModelStore
from app.refusals import Refused, shown
from app.settings import Settings
from model.checkpoint import MAX_BYTES, Checkpoint, CheckpointError
from model.weights import bundled

existing = click.Path(exists=True, dir_okay=False, path_type=Path)
writable = click.Path(dir_okay=False, writable=True, path_type=Path)


class Mistake(click.ClickException):
    """One line on standard error, and exit code 2."""

    exit_code = 2


@contextmanager
def plainly() -> Iterator[None]:
    """Raises Mistake for whatever the model or the service refuses."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]).replace("_", "-")
        raise Mistake(f"--{field}: {first['msg']}" if field else first["msg"]) from None
    except Refused as refused:
        raise Mistake(refused.detail) from None
    except UnicodeDecodeError:
        raise Mistake("this is neither JSON nor CSV: it is not UTF-8 text") from None
    except ValueError as error:
        raise Mistake(str(error)) from None


def settings(**given: Any) -> Settings:
    """The environment's, `given` first. Raises Mistake."""
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "_".join(str(part) for part in first["loc"])
        raise Mistake(f"UNROLLED_{name.upper()}: {first['msg']}, not {shown(first['input'])}") from None


def find_model(name: str, using: Settings) -> Model:
    """A checkpoint file's, or the one that the server knows under this name. Raises Mistake or Refused."""
    if Path(name).is_file():
        data = read_bytes(Path(name))
        with _of(Path(name)):
            return Model.of_bytes(data)
    return ModelStore(using.models_dir, using.max_models, using.max_models_bytes, bundled()).get(name)


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises Mistake."""
    data = read_bytes(path)
    with _of(path):
        return Checkpoint.from_bytes(data)


@contextmanager
def _of(path: Path) -> Iterator[None]:
    try:
        yield
    except CheckpointError as error:
        raise Mistake(f"{path}: {error}") from None


def read_bytes(path: Path) -> bytes:
    """A file that should be a checkpoint, no further than one may reach. Raises Mistake."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Mistake(f"{path}: {error.strerror}") from None


def check_folder(path: Path | None) -> None:
    """Before the work, not after it. Raises Mistake."""
    if path is not None and not path.absolute().parent.is_dir():
        raise Mistake(f"{path}: there is no such folder")


def write_file(path: Path, data: bytes) -> None:
    """All of it or nothing. Raises Mistake."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Mistake(f"{path}: {error.strerror}") from None
