"""Several worker processes: each a full server, and together one."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.conftest import Server, running
from tests.support.sockets import eventually
from tests.support.viewers import PATIENCE, TestViewer, viewer


def worker_of(server: Server) -> int:
    """The process that answers this time."""
    numbers = httpx.get(server.url + "/metrics", timeout=PATIENCE).text
    found = re.search(r'unrolled_worker_info{process="(\d+)"} 1', numbers)
    assert found
    return int(found[1])


def all_workers(server: Server, besides: frozenset[int] = frozenset()) -> set[int]:
    """Both processes, when both answer."""
    seen: set[int] = set()

    def both() -> bool:
        seen.update({worker_of(server)} - besides)
        return len(seen) == 2

    eventually(both, 2 * PATIENCE, "both workers answer")
    return seen


def is_alive(process: int) -> bool:
    """Whether anything is left of it. Of one that was killed the first thread may be a zombie while others still hold
    its sockets: until they have ended too, the kernel deals it connections, and breaks them."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "State:\tZ" not in status or "Threads:\t1\n" not in status


def viewers_of(server: Server, workers: set[int]) -> dict[int, float]:
    """How many each worker has."""
    counted: dict[int, float] = {}

    def all_counted() -> bool:
        text = httpx.get(server.url + "/metrics", timeout=PATIENCE).text
        worker = re.search(r'unrolled_worker_info{process="(\d+)"} 1', text)
        viewers = re.search(r"^unrolled_viewers (\S+)$", text, re.M)
        assert worker
        assert viewers
        counted[int(worker[1])] = float(viewers[1])
        return workers <= counted.keys()

    eventually(all_counted, 2 * PATIENCE, "all workers answer")
    return counted


@contextmanager
def watched(server: Server, workers: set[int]) -> Iterator[list[TestViewer]]:
    """Viewers, paused, so many that each worker has one."""
    with ExitStack() as stack:
        viewers: list[TestViewer] = []
        while not viewers or not all(viewers_of(server, workers).values()):
            viewers.append(stack.enter_context(viewer(server.ws)))
            viewers[-1].open(play=False)  # the first of a worker waits until its training process is there
        yield viewers


def closing(one: TestViewer) -> int | None:
    """The code of the close that came, or None where the connection only broke."""
    with pytest.raises(ConnectionClosed) as caught:
        one.next()
    return caught.value.rcvd.code if caught.value.rcvd else None


def test_one_worker_is_one_process(server: Server) -> None:
    assert worker_of(server) == server.process.pid


def test_a_worker_that_dies_is_replaced_and_sigterm_ends_all_with_1012(start_server: Callable[..., Any]) -> None:
    with start_server(workers=2) as server:
        lost, stays = all_workers(server)
        with watched(server, {lost, stays}) as viewers:
            os.kill(lost, signal.SIGKILL)
            eventually(lambda: not is_alive(lost), PATIENCE, "it ends, and is dealt no more connections")
            all_workers(server, besides=frozenset({lost}))
            left = []
            for one in viewers:
                try:
                    one.send(type="ping")
                    assert one.next() == {"type": "pong"}
                    left.append(one)
                except ConnectionClosed:
                    pass  # it was the lost one's
            assert 0 < len(left) < len(viewers)
            server.process.send_signal(signal.SIGTERM)
            assert {closing(one) for one in left} == {1012}
        assert server.process.wait(PATIENCE) == 0
        assert not is_alive(stays)
        log = server.log.read_text()
        assert f"Child process [{lost}] died" in log
        assert "Traceback" not in log


@pytest.mark.parametrize("end", ["ctrl-c", "kill -9"])
def test_however_the_parent_ends_the_workers_end_too_and_viewers_hear_1012(tmp_path: Path, end: str) -> None:
    under = ["env"] if end == "kill -9" else []  # as a user starts it: what spawned workers notice is another pipe
    with running(tmp_path, under=under, workers=2) as server:
        workers = all_workers(server)
        with watched(server, workers) as viewers:
            if end == "ctrl-c":  # a terminal tells all of its processes
                for process in (server.process.pid, *workers):
                    os.kill(process, signal.SIGINT)
            else:
                server.process.kill()
            assert {closing(one) for one in viewers} == {1012}
        server.process.wait(PATIENCE)
        eventually(lambda: not any(map(is_alive, workers)), PATIENCE, "they end")
        assert "Traceback" not in server.log.read_text()
