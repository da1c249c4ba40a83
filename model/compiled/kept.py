"""Kept code: files of machine code, read only where nobody else can have written them.

Whoever writes such a file decides what this process does, so a folder or file that belongs to somebody else, or that
others may write to, is passed over without a word, as one is that is not whole: its code is compiled again.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

BESIDE = Path(__file__).parent / "objects"
"""Where an image keeps what it compiled when it was built: nobody needs to write there later."""

DIGEST_BYTES = hashlib.sha256().digest_size


def read(name: str) -> bytes | None:
    """The code of this name; None where no file has it that is whole and to be trusted."""
    for folder in (BESIDE, *_own_folder()):
        with suppress(OSError):
            return _read(folder, name)
    return None


def keep(name: str, code: bytes) -> None:
    """Keep code for the next start, where there is a folder for it; otherwise it is compiled again."""
    for folder in _own_folder():
        with suppress(OSError):
            _write(folder, name, code, mode=0o700)


def keep_beside(name: str, code: bytes) -> None:
    """Keep code where all who use this installation find it. Raises OSError where that cannot be written."""
    _write(BESIDE, name, code, mode=0o755)


def _own_folder() -> Iterator[Path]:
    """The user's own, as the XDG base directories have it, where there is such a thing."""
    told = Path(os.environ.get("XDG_CACHE_HOME", ""))
    with suppress(RuntimeError):  # who has no home
        yield (told if told.is_absolute() else Path.home() / ".cache") / "unrolled"


def _read(folder: Path, name: str) -> bytes:
    """Raises OSError."""
    _check_owner(os.stat(folder))
    with (folder / name).open("rb") as file:
        _check_owner(os.fstat(file.fileno()))
        data = file.read()
    digest, code = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
    if digest != _digest(name, code):
        raise OSError("not whole")
    return code


def _write(folder: Path, name: str, code: bytes, mode: int) -> None:
    """Put a whole file into its place at once, whoever else does the same. Raises OSError."""
    with suppress(FileExistsError):
        folder.mkdir(mode, parents=True)
        folder.chmod(mode)  # whatever is masked out as a rule
    _check_owner(os.stat(folder))
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        try:
            file.write(_digest(name, code) + code)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, folder / name)
        except BaseException:
            os.unlink(file.name)
            raise


def _check_owner(found: os.stat_result) -> None:
    """Raises PermissionError where others than the user, root and whoever installed us could have written it."""
    trusted = {0, os.geteuid(), os.stat(__file__).st_uid}
    if found.st_uid not in trusted or found.st_mode & 0o022:
        raise PermissionError("somebody else's")


def _digest(name: str, code: bytes) -> bytes:
    """Of the name too: code under another's name is not what its reader would call."""
    return hashlib.sha256(name.encode() + b"\0" + code).digest()
