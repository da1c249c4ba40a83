"""The folder of uploaded models: whole files or none, within bounds, shared by several servers."""

import errno
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from model.checkpoint import model_id

if sys.platform != "win32":
    import fcntl

log = logging.getLogger("unrolled.models")

ID = re.compile(r"[0-9a-f]{16}")  # the only names that ever become part of a path
SUFFIX = ".safetensors"
LOCK = ".lock"
LEFTOVER_SECONDS = 3600  # a temporary file this old belongs to a write that was cut off
LOCK_SECONDS = 10.0  # a server that was stopped while it held the folder must not stop the others for ever


class IdTaken(Exception):
    """Another model's content has the same id."""


class ModelFolder:
    """Models' bytes by id. Where another would not fit, those go that were not used for longest.

    A file's modification time says when its model was last used, so that all servers agree on that, and the next start
    does too. Where `used` is asked for, it is what this process knows beyond that, by id, in nanoseconds of the clock
    that files have.

    Raises:
        OSError: the folder cannot even be looked at.
    """

    def __init__(self, path: Path, max_models: int, max_bytes: int) -> None:
        self._path = path
        self._max_models = max_models
        self._max_bytes = max_bytes
        self._remove_leftovers()

    def read(self, id: str) -> bytes:
        """The bytes of a model. Raises FileNotFoundError: no such id, or a file that somebody changed."""
        if not ID.fullmatch(id) or model_id(data := self._of(id).read_bytes()) != id:
            raise FileNotFoundError(errno.ENOENT, "no such model")
        return data

    def has(self, id: str) -> bool:
        return self._of(id).exists()

    def touch(self, id: str) -> bool:
        """Write down that it is used now. Returns whether it is still there."""
        now = time.time_ns()
        try:
            os.utime(self._of(id), ns=(now, now))
        except FileNotFoundError:
            return False
        except OSError as error:  # a folder that this server may only read
            log.debug("the use of model %s was not recorded: %s", id, error.strerror)
        return True

    def by_use(self, used: Mapping[str, int]) -> list[str]:
        """The ids, most recently used first, at most as many as are kept. None where the folder cannot be read."""
        try:
            return _by_use(self._files(), used)[: self._max_models]
        except OSError as error:
            log.error("the models' folder cannot be read: %s", error.strerror)
            return []

    def write(self, id: str, data: bytes, used: Mapping[str, int]) -> list[str]:
        """Write a model whole, or not at all where the plug is pulled. Returns the ids that were evicted for it.

        The slow part, the way to the disk, is gone before others are kept out.

        Raises:
            IdTaken: another model has this id.
            OSError: the disk is full or read-only, or another server holds the folder for too long.
        """
        assert self._max_models > 0
        assert len(data) <= self._max_bytes
        self._path.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=self._path, prefix=".upload-")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), 0o644)
                file.flush()
                os.fsync(file.fileno())
            with self._alone():
                if self._holds(id, data):
                    self.touch(id)
                    return []
                evicted = self._make_room(id, len(data), used)
                os.replace(name, self._of(id))
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)
        folder = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name too survives a power cut
        finally:
            os.close(folder)
        log.info("model %s stored, %d bytes", id, len(data))
        return evicted

    def _of(self, id: str) -> Path:
        assert ID.fullmatch(id)
        return self._path / f"{id}{SUFFIX}"

    def _files(self) -> dict[str, os.stat_result]:
        found = {}
        if self._path.is_dir():
            for path in self._path.iterdir():
                if path.suffix == SUFFIX and ID.fullmatch(path.stem):
                    with suppress(FileNotFoundError):  # an operator, or another server, may remove files at any time
                        found[path.stem] = path.stat()
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder for a block, in which no other server or thread changes which models there are."""
        number = os.open(self._path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            deadline = time.monotonic() + LOCK_SECONDS
            while not _locked(number):
                if time.monotonic() > deadline:
                    raise TimeoutError(errno.ETIMEDOUT, "another server holds the folder")
                time.sleep(0.005)
            yield
        finally:
            os.close(number)  # which unlocks it, and so does the end of the process

    def _holds(self, id: str, data: bytes) -> bool:
        """Whether the file is there and as it should be. Raises IdTaken."""
        try:
            kept = self._of(id).read_bytes()
        except FileNotFoundError:
            return False
        if kept != data and model_id(kept) == id:
            raise IdTaken(id)
        return kept == data

    def _make_room(self, id: str, size: int, used: Mapping[str, int]) -> list[str]:
        """Evict the least recently used until a model of this size fits."""
        files = {other: stat for other, stat in self._files().items() if other != id}
        kept, room = _by_use(files, used), self._max_bytes - size
        total = sum(stat.st_size for stat in files.values())
        evicted = []
        while len(kept) >= self._max_models or total > room:
            other = kept.pop()
            self._of(other).unlink(missing_ok=True)
            total -= files[other].st_size
            evicted.append(other)
            log.info("model %s evicted: it was not used for longest", other)
        return evicted

    def _remove_leftovers(self) -> None:
        if self._path.is_dir():
            for path in self._path.glob(".upload-*"):
                with suppress(FileNotFoundError):  # another server starts too
                    if path.stat().st_mtime < time.time() - LEFTOVER_SECONDS:
                        path.unlink()


def _by_use(files: Mapping[str, os.stat_result], used: Mapping[str, int]) -> list[str]:
    """The ids of these files, most recently used first."""
    return sorted(files, key=lambda id: (max(files[id].st_mtime_ns, used.get(id, 0)), id), reverse=True)


def _locked(number: int) -> bool:
    """Whether this file could be locked now."""
    if sys.platform != "win32":
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
