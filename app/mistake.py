"""Mistake: what a user of the command line got wrong, in one line; and what commands write."""

import os
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from app.settings import Settings
from app.shown import shown

existing = click.Path(exists=True, dir_okay=False, path_type=Path)
writable = click.Path(dir_okay=False, writable=True, path_type=Path)


class Mistake(click.ClickException):
    """One line on standard error, and exit code 2."""

    exit_code = 2


def settings(**given: Any) -> Settings:
    """The environment's, `given` first. Raises Mistake."""
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "_".join(str(part) for part in first["loc"])
        came = "" if name == "token" else f", not {shown(first['input'])}"  # a token is told to nobody
        raise Mistake(f"UNROLLED_{name.upper()}: {first['msg']}{came}") from None


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
