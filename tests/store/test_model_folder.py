"""The folder of models: its bounds hold and its files are whole, however many processes write, read and die at once."""

import hashlib
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from app.store import folder as module
from app.store.folder import ModelFolder

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["app.store.folder"])
MOST, MOST_BYTES = 6, 5000


def model(number: int, size: int = 1000) -> tuple[str, bytes]:
    """The folder asks of a model only that its id is the hash of its content."""
    data = random.Random(number).randbytes(size)
    return hashlib.sha256(data).hexdigest()[:16], data


def files(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.iterdir() if path.name != module.LOCK)


def age(folder: Path, id: str, seconds: float) -> None:
    used = time.time() - seconds
    os.utime(folder / f"{id}{module.SUFFIX}", (used, used))


@pytest.fixture
def others() -> Iterator[Any]:
    """Starts processes, of which none outlives the test."""
    started: list[BaseProcess] = []

    def start(target: Any, *args: Any) -> BaseProcess:
        process = PROCESSES.Process(target=target, args=args)
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


# ---------------------------------------------------------------- who goes


def test_the_least_recently_used_goes_for_the_newest(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path, 3, 10**6)
    ids = [model(number)[0] for number in range(5)]
    for number in range(3):
        folder.write(*model(number), {})
    folder.touch(ids[0])
    assert folder.write(*model(3), {}) == [ids[1]]
    folder.touch(ids[2])
    assert folder.write(*model(4), {}) == [ids[0]]
    assert folder.by_use({}) == [ids[4], ids[2], ids[3]]
    assert files(tmp_path) == sorted([ids[2], ids[3], ids[4]])


def test_as_many_go_as_the_newest_needs_bytes(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path, 100, 5000)
    ids = [model(number)[0] for number in range(5)]
    for number in range(5):
        assert folder.write(*model(number), {}) == []
    assert folder.write(*model(9, 2500), {}) == ids[:3]
    assert folder.write(*model(10, 5000), {}) == [*ids[3:], model(9, 2500)[0]]


def test_what_this_process_knows_of_use_counts_beside_what_is_written_down(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path, 2, 10**6)
    (one, _), (two, _) = model(1), model(2)
    folder.write(*model(1), {})
    folder.write(*model(2), {})
    assert folder.write(*model(3), {one: time.time_ns()}) == [two]


def test_use_outlives_the_process_and_is_seen_by_others(tmp_path: Path) -> None:
    one, two = model(1)[0], model(2)[0]
    folder = ModelFolder(tmp_path, 2, 10**6)
    folder.write(*model(1), {})
    folder.write(*model(2), {})
    age(tmp_path, one, 50)
    age(tmp_path, two, 100)
    assert ModelFolder(tmp_path, 2, 10**6).touch(two)
    assert ModelFolder(tmp_path, 2, 10**6).write(*model(3), {}) == [one]


def test_the_same_again_is_used_again_and_evicts_nothing(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path, 2, 10**6)
    for number in (1, 2, 1):
        assert folder.write(*model(number), {}) == []
    assert folder.write(*model(3), {}) == [model(2)[0]]


def test_bounds_that_were_lowered_hold_from_the_next_write_on(tmp_path: Path) -> None:
    ids = [model(number)[0] for number in range(6)]
    for number in range(6):
        ModelFolder(tmp_path, 10, 10**6).write(*model(number), {})
    folder = ModelFolder(tmp_path, 2, 10**6)
    assert folder.by_use({}) == ids[:3:-1]
    folder.write(*model(7), {})
    assert files(tmp_path) == sorted([ids[5], model(7)[0]])


def test_a_changed_file_is_mended_by_writing_it_again(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path, 1, 10**6)
    id, data = model(1)
    folder.write(id, data, {})
    (tmp_path / f"{id}{module.SUFFIX}").write_bytes(b"changed")
    with pytest.raises(FileNotFoundError):
        folder.read(id)
    assert folder.write(id, data, {}) == []
    assert folder.read(id) == data


def test_a_folder_that_may_only_be_read_forgets_use_and_serves_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(30, "Read-only file system")

    folder = ModelFolder(tmp_path, 1, 10**6)
    id, data = model(1)
    folder.write(id, data, {})
    monkeypatch.setattr(os, "utime", refuse)
    assert folder.touch(id)
    assert folder.read(id) == data


# ---------------------------------------------------------------- several processes


def write_many(path: Path, seed: int, least: int, go: Any, enough: Any) -> None:
    """Writes so often, and goes on until enough was read."""
    folder, draw = ModelFolder(path, MOST, MOST_BYTES), random.Random(seed)
    go.wait()
    written = 0
    while written < least or not enough.is_set():
        written += 1
        number = draw.randrange(40)
        folder.write(*model(number, 200 + 97 * number % 1500), {})
        folder.touch(draw.choice(folder.by_use({}) or [model(0)[0]]))


def read_many(path: Path, enough: Any, stop: Any, told: Connection) -> None:
    """Reads whatever is listed until told to stop; says how many it read, how many were gone, and what went wrong."""
    folder = ModelFolder(path, MOST, MOST_BYTES)
    read = gone = 0
    wrong = ""
    while not stop.is_set():
        for id in folder.by_use({}):
            try:
                kept = folder.read(id)
            except FileNotFoundError:
                gone += 1  # evicted since it was listed
            else:
                read += 1
                if hashlib.sha256(kept).hexdigest()[:16] != id:
                    wrong = f"{id} is half a file"
        if read > 100:
            enough.set()
        with folder._alone():
            sizes = [file.stat().st_size for file in path.glob("*" + module.SUFFIX)]
        if len(sizes) > MOST or sum(sizes) > MOST_BYTES:
            wrong = f"{len(sizes)} models of {sum(sizes)} bytes"
    told.send((read, gone, wrong))


def hold(path: Path, told: Connection) -> None:
    with ModelFolder(path, MOST, MOST_BYTES)._alone():
        told.send("held")
        time.sleep(3600)


def write_for_ever(path: Path) -> None:
    folder = ModelFolder(path, MOST, MOST_BYTES)
    for number in range(10**6):
        folder.write(*model(number), {})


def test_the_bounds_hold_and_readers_see_whole_files_while_four_processes_write_at_once(
    tmp_path: Path, others: Any
) -> None:
    go, enough, stop = PROCESSES.Event(), PROCESSES.Event(), PROCESSES.Event()
    told, tell = PROCESSES.Pipe(False)
    reader = others(read_many, tmp_path, enough, stop, tell)
    writers = [others(write_many, tmp_path, seed, 100, go, enough) for seed in range(4)]
    go.set()
    for writer in writers:
        writer.join()
    stop.set()
    read, gone, wrong = told.recv()
    reader.join()
    assert [process.exitcode for process in (*writers, reader)] == [0] * 5
    assert wrong == ""
    assert read > 100, f"{read} read, {gone} gone"
    kept = [file.stat().st_size for file in tmp_path.glob("*" + module.SUFFIX)]
    assert 0 < len(kept) <= MOST
    assert sum(kept) <= MOST_BYTES
    assert not list(tmp_path.glob(".upload-*"))


def test_a_writer_that_is_killed_at_any_moment_leaves_whole_files_and_no_lock(tmp_path: Path, others: Any) -> None:
    draw = random.Random(5)
    for _ in range(8):
        writer = others(write_for_ever, tmp_path)
        while len(files(tmp_path)) < 2:
            assert writer.is_alive()
            time.sleep(0.001)
        time.sleep(draw.random() / 50)
        writer.kill()
        writer.join()
        folder = ModelFolder(tmp_path, MOST, MOST_BYTES)
        kept = folder.by_use({})
        assert len(kept) <= MOST
        assert all(folder.read(id) for id in kept)
        folder.write(*model(-1, MOST_BYTES), {})
        assert folder.by_use({}) == [model(-1, MOST_BYTES)[0]]
        (tmp_path / f"{model(-1, MOST_BYTES)[0]}{module.SUFFIX}").unlink()


def test_a_process_that_stands_still_with_the_folder_in_its_hands_fails_the_others_writes_only(
    tmp_path: Path, others: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.2)
    folder = ModelFolder(tmp_path, MOST, MOST_BYTES)
    id, data = model(1)
    folder.write(id, data, {})
    told, tell = PROCESSES.Pipe(False)
    holder = others(hold, tmp_path, tell)
    assert told.recv() == "held"
    os.kill(holder.pid or 0, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        folder.write(*model(2), {})
    assert folder.read(id) == data
    assert files(tmp_path) == [id]
    holder.kill()
    holder.join()
    folder.write(*model(2), {})


@pytest.mark.parametrize("call", ["fsync", "replace", "fdopen"])
def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    folder = ModelFolder(tmp_path, MOST, MOST_BYTES)
    monkeypatch.setattr(os, call, broken)
    with pytest.raises(OSError, match="No space"):
        folder.write(*model(1), {})
    assert files(tmp_path) == []
    monkeypatch.undo()
    assert folder.write(*model(1), {}) == []


def test_only_old_leftovers_of_cut_off_writes_are_removed(tmp_path: Path) -> None:
    for name, seconds in [(".upload-old", 7200), (".upload-new", 0)]:
        (tmp_path / name).write_bytes(b"half")
        used = time.time() - seconds
        os.utime(tmp_path / name, (used, used))
    ModelFolder(tmp_path, MOST, MOST_BYTES)
    assert files(tmp_path) == [".upload-new"]
