"""The graph lab: the plan, its rows in processes of their own, the command and the socket."""

import asyncio
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from model.lab import bench, kinds
from model.lab.kinds import KINDS
from model.lab.plan import full_plan
from model.lab.row import Recording, Row
from tests.conftest import Server
from tests.support.imported import imported
from tests.support.labs import PATIENCE, TINY, guest, lab_processes, ran
from tests.support.nursery import alone


def test_the_plan_is_known_lengths_then_new_ones_then_streams() -> None:
    chunks = full_plan().chunks
    assert chunks == full_plan().chunks
    assert [chunk.phase for chunk in chunks] == ["known"] * 30 + ["new"] * 16 + ["streams"] * 16
    assert {chunk.length for chunk in chunks[:30]} == {10, 20, 30}
    new = [chunk.length for chunk in chunks[30:46]]
    assert len(set(new)) == 16
    assert not {10, 20, 30} & set(new)
    assert {chunk.streams for chunk in chunks[:46]} == {1}
    assert max(chunk.streams for chunk in chunks[46:]) > 4


def test_a_framework_that_is_not_there_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds.util, "find_spec", lambda name: None)
    assert ran("tensorflow_v1").status == "absent"
    assert kinds.kind("tensorflow_v1").install == "pip install 'unrolled[tensorflow]'"
    assert kinds.kind("export_onnx").install == "pip install 'unrolled[onnx]'"
    assert kinds.kind("eager").installed


def test_a_row_whose_process_is_killed_fails_alone() -> None:
    async def kill() -> Row:
        async with aclosing(bench.run("eager", full_plan(), PATIENCE)) as events:
            async for event in events:
                if isinstance(event, Row):
                    return event
                for process in lab_processes(os.getpid()):
                    os.kill(process, signal.SIGKILL)
        raise AssertionError

    row = asyncio.run(kill())
    assert row.status == "failed"
    assert "ended with code -9" in row.errors[-1].text


def test_a_row_that_takes_too_long_is_ended() -> None:
    row = ran("eager", seconds=0.2)
    assert row.status == "failed"
    assert row.errors[-1].text == "took longer than 0.2 s"


def test_a_crash_leaves_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashes = tmp_path / "python"
    crashes.write_text(f"""#!/bin/sh\nexec {sys.executable} -c 'raise ValueError("hidden_size is -1")'\n""")
    crashes.chmod(0o755)
    monkeypatch.setattr(bench.sys, "executable", str(crashes))
    row = ran("eager", TINY.model_copy(update={"hidden_size": -1}))
    assert row.status == "failed"
    assert "hidden_size" in row.errors[-1].text


def test_the_recording_that_the_page_shows_is_whole() -> None:
    recording = Recording.model_validate_json((Path(__file__).parents[2] / "static" / "graphs.json").read_bytes())
    assert tuple(row.kind for row in recording.rows) == KINDS
    assert list(recording.chunks) == [chunk.model_dump() for chunk in full_plan().chunks]
    assert {"python", "torch", "tensorflow", "onnxruntime"} <= recording.versions.keys()
    assert recording.processor
    for row in recording.rows:
        assert row.status == "done"
        assert len(row.seconds) == len(row.graphs) == len(row.computed) == len(row.loss) == len(recording.chunks)
        failed = {index for failure in row.errors for index in failure.chunks}
        assert failed == {index for index, seconds in enumerate(row.seconds) if seconds is None}


# ---------------------------------------------------------------- the socket


def test_cancelling_ends_the_process_and_another_run_may_follow(server: Server) -> None:
    with guest(server) as one:
        one.send(type="run", kinds=["eager_steps"])
        one.until("began")
        one.send(type="cancel")
        one.until("cancelled")
        assert lab_processes(server.process.pid) == []
        one.send(type="run", kinds=["eager"])
        one.until("began")


def test_a_guest_that_goes_takes_its_process_along(server: Server) -> None:
    with guest(server) as one:
        one.send(type="run", kinds=["eager"])
        one.until("began")
    with guest(server) as two:  # its turn comes when the other's is over
        two.send(type="run", kinds=["eager"])
        two.until("began")
        assert len(lab_processes(server.process.pid)) == 1


def test_one_runs_at_a_time_and_the_others_hear_how_many_are_ahead(server: Server) -> None:
    with guest(server) as one, guest(server) as two, guest(server) as three:
        one.send(type="run", kinds=["eager"])
        one.until("began")
        two.send(type="run", kinds=["eager"])
        assert two.next() == {"type": "waiting", "ahead": 1}
        three.send(type="run", kinds=["eager"])
        assert three.next() == {"type": "waiting", "ahead": 2}
        one.send(type="cancel")
        assert three.next() == {"type": "waiting", "ahead": 1}
        assert two.next()["type"] == "began"


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        ({"type": "run", "kinds": ["compile_static"]}, "out_of_range", "kinds"),
        ({"type": "run", "kinds": []}, "out_of_range", "kinds"),
        ({"type": "run", "kinds": ["eager", "eager"]}, "conflict", "kinds"),
        ({"type": "run", "kinds": ["magic"]}, "wrong_type", "kinds.0"),
        ({"type": "run"}, "missing", "kinds"),
        ({"type": "fly"}, "unknown_type", "type"),
    ],
)
def test_what_the_lab_does_not_do_is_refused(server: Server, message: dict[str, Any], code: str, field: str) -> None:
    with guest(server) as one:
        one.send(**message)
        refused = one.next()
    assert (refused["type"], refused["code"], refused["field"]) == ("error", code, field)


def test_a_second_run_is_refused_while_one_is_under_way(server: Server) -> None:
    with guest(server) as one:
        one.send(type="run", kinds=["eager"])
        one.send(type="run", kinds=["padded"])
        assert one.until("error")[-1]["code"] == "conflict"


def test_a_long_line_is_told_to_come_later(server: Server) -> None:
    with guest(server) as first:
        first.send(type="run", kinds=["eager"])
        first.until("began")
        sockets = []
        try:
            for _ in range(16):
                one = guest(server)
                sockets.append(one)
                waiting = one.__enter__()
                waiting.send(type="run", kinds=["eager"])
                waiting.next()
            with guest(server) as last:
                last.send(type="run", kinds=["eager"])
                assert last.next()["code"] == "busy"
        finally:
            for one in reversed(sockets):
                one.__exit__(None, None, None)


def test_the_lab_refuses_a_foreign_origin(server: Server) -> None:
    url = server.url.replace("http", "ws") + "/ws/graphs"
    with (
        connect(url, origin=Origin("https://elsewhere.example")) as socket,
        pytest.raises(ConnectionClosed, match="1008"),
    ):
        socket.recv(PATIENCE)


def test_a_server_that_stops_ends_its_lab(start_server: Callable[..., Any]) -> None:
    with start_server() as server, guest(server) as one:
        one.send(type="run", kinds=["eager"])
        one.until("began")
        (process,) = lab_processes(server.process.pid)
        descriptor = os.pidfd_open(process)
        server.process.terminate()
        server.process.wait(PATIENCE)
        assert select.select([descriptor], [], [], PATIENCE)[0]
        os.close(descriptor)


def test_the_lab_imports_no_optional_framework_itself() -> None:
    frameworks = ["tensorflow", "onnxruntime", "onnxscript"]
    assert alone(imported, ["app.routes.lab", "app.commands.graphs"], frameworks) == []
