"""Mistake: one line on what a user of the command line got wrong; and files that commands write whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from app.protocol.shown import shown
from app.settings import Settings, unread

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
        raise Mistake(wrong_settings(error)[0]) from None


def wrong_settings(error: ValidationError) -> list[str]:
    """A line for each setting that is wrong."""
    lines = []
    for each in error.errors(include_url=False):
        name, says = "_".join(str(part) for part in each["loc"]), each["msg"]
        if name == "token":  # which is told to nobody, and which pydantic takes for a list of its characters
            lines.append(f"UNROLLED_TOKEN: {says.replace('items after validation', 'characters')}")
        else:
            lines.append(f"UNROLLED_{name.upper()}: {says}, not {shown(each['input'])}")
    return lines


def strays(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Variables that no setting reads, most of them slips of the pen: what to say of each, and what to do."""
    return [
        (
            f"{shown(name)} is no setting, and is read by nobody",
            f"did you mean {close}?" if close else "unset it; docs/settings.md lists all settings",
        )
        for name, close in unread(environment).items()
    ]


def check_folder(path: Path | None) -> None:
    """Look whether the folder of a file to be written is there, before the work. Raises Mistake."""
    if path is not None and not path.absolute().parent.is_dir():
        raise Mistake(f"{path}: there is no such folder")


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises Mistake."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Mistake(f"{path}: {error.strerror}") from None
