"""A folder of models that is full or read-only, on a live server: uploads hear why, and nothing else is disturbed."""

import ctypes
import os
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Server, running
from tests.fuzz.blobs import good, heavy
from tests.support.nursery import unrolled
from tests.support.viewers import PATIENCE, viewer

SINE = [0.0, 0.309, 0.588, 0.809, 0.951, 1.0]
ROOM = 300_000
"""Bytes: many small models fit, and the largest recipe's does not."""

NO_ROOM, NO_ACCESS = ("No space left on device", "File too large"), ("Read-only file system", "Permission denied")


@dataclass(frozen=True)
class Disk:
    """A server, where its models are as the test may see them, and how to make them read-only."""

    server: Server
    models: Path
    forbid: Callable[[], object]
    allow: Callable[[], object]

    def upload(self, blob: bytes) -> httpx.Response:
        return httpx.post(self.server.url + "/models", content=blob, timeout=PATIENCE)

    def predict(self, id: str) -> Any:
        body = {"sequence": SINE, "model": id}
        return httpx.post(self.server.url + "/predict", json=body, timeout=PATIENCE).raise_for_status().json()

    def listed(self) -> dict[str, Any]:
        return {model["id"]: model for model in httpx.get(self.server.url + "/models").json()["models"]}

    def kept(self) -> set[str]:
        """Every file but the lock."""
        return {path.name for path in self.models.iterdir()} - {".lock"}


NEW_NAMESPACE = 0x00020000  # CLONE_NEWNS
CAPABILITIES_3 = 0x20080522
HEEDS = ~0b110  # without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


@contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """A file system of its own, of ROOM bytes, that only this server sees."""
    models = folder / "models"
    models.mkdir()
    with running(folder, command=on_its_own_disk, models_dir=models) as server:
        inside = ["nsenter", "-t", str(server.process.pid), "-m", "mount", str(models), "-o"]
        yield Disk(
            server,
            Path(f"/proc/{server.process.pid}/root{models}"),
            forbid=lambda: subprocess.run([*inside, "remount,ro"], check=True),
            allow=lambda: subprocess.run([*inside, "remount,rw"], check=True),
        )


def on_its_own_disk(arguments: Sequence[str]) -> None:
    assert ctypes.CDLL(None).unshare(NEW_NAMESPACE) == 0
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    models = os.environ["UNROLLED_MODELS_DIR"]
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", models], check=True)
    unrolled(arguments)


@contextmanager
def limited(folder: Path) -> Iterator[Disk]:
    """What works without privileges: files of ROOM bytes at most, and mode bits, which root must be told to heed."""
    models = folder / "models"
    models.mkdir()
    with running(folder, command=with_small_files, models_dir=models) as server:
        yield Disk(server, models, forbid=lambda: models.chmod(0o555), allow=lambda: models.chmod(0o755))


def with_small_files(arguments: Sequence[str]) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
    if os.geteuid() == 0:
        libc, header, held = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)()
        assert libc.capget(header, held) == 0
        held[0], held[1] = held[0] & HEEDS, held[1] & HEEDS  # effective and permitted
        assert libc.capset(header, held) == 0
    unrolled(arguments)


def may_mount() -> bool:
    try:
        asked = subprocess.run(
            ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return asked.returncode == 0


WAYS: Sequence[Callable[[Path], AbstractContextManager[Disk]]] = [limited, *([mounted] if may_mount() else [])]


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.__name__)
def disk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with request.param(tmp_path_factory.mktemp("disk")) as disk:
        yield disk
        assert "Traceback" not in disk.server.log.read_text()


def holds_out(disk: Disk, blob: bytes, reasons: Sequence[str]) -> None:
    """An upload is refused and says why; there is no trace of it; what was there, and who looks on, notices nothing."""
    with viewer(disk.server.ws) as one:
        one.open(pace=60)
        one.updates(2)
        kept, listed = disk.kept(), disk.listed()
        before = {id: disk.predict(id) for id in listed}
        refused = disk.upload(blob)
        assert (refused.status_code, refused.json()["code"]) == (507, "store_full")
        assert any(reason in refused.json()["detail"] for reason in reasons), refused.text
        assert disk.kept() == kept
        assert disk.listed() == listed
        assert {id: disk.predict(id) for id in before} == before
        ready = httpx.get(disk.server.url + "/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ok"}), "all else is served: traffic may come"
        one.updates(3)


def test_a_full_disk_refuses_uploads_and_serves_on_until_there_is_room_again(disk: Disk) -> None:
    assert disk.upload(good()[0]).status_code == 201
    holds_out(disk, heavy(), NO_ROOM)
    assert disk.upload(good()[1]).status_code == 201, "for a small one there is room"
    assert len(disk.kept()) == 2


def test_a_read_only_folder_refuses_uploads_and_serves_on_until_it_may_be_written_again(disk: Disk) -> None:
    assert disk.upload(good()[2]).status_code == 201
    disk.forbid()
    try:
        holds_out(disk, good()[3], NO_ACCESS)
    finally:
        disk.allow()
    assert disk.upload(good()[3]).status_code == 201
