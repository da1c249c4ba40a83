"""TensorFlow behind the server: live over a real socket, and no danger to anybody else."""

import os
import select
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from model.learner import Learner
from model.recipe import Recipe
from tests.conftest import Server
from tests.support.viewers import viewer

TENSORFLOW = {"framework": "tensorflow"}
SECONDS = 20


def tensorflow_processes(server: Server) -> list[int]:
    """The server's children that train TensorFlow's runs."""
    command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(server.process.pid)]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    ours = (line for line in listed.splitlines() if "app.training.process" in line and line.endswith(" tensorflow"))
    return [int(line.split()[0]) for line in ours]


def test_a_run_over_the_socket_is_the_run_of_the_learner(server: Server) -> None:
    with viewer(server.ws) as one:
        opened = one.open(recipe=TENSORFLOW | {"stop_after": 20}, pace="max", views=["after", "graph"])
        updates = one.updates(20)
    assert "tensorflow" in opened["versions"]
    assert "built once" in opened["network"]["text"]
    alone = Learner(Recipe(framework="tensorflow"))
    for update in updates:
        made = alone.advance({"after", "graph"})
        assert update["loss"] == pytest.approx(made.loss, rel=1e-7)
        assert update["nodes"] == made.nodes
        assert len(update["prediction_after"][0]) == update["length"]
        assert set(update["milliseconds"]) == {"run"}


def test_a_checkpoint_resumes_on_another_server(server: Server, start_server: Callable[..., Any]) -> None:
    with viewer(server.ws) as one:
        one.open(recipe=TENSORFLOW | {"stop_after": 40}, pace="max")
        straight = one.updates(40)
        with start_server() as other, viewer(other.ws) as two:
            two.resume(one.checkpoint, after=15, pace="max")
            resumed = two.updates(25)
    assert [(u["update"], u["loss"]) for u in resumed] == [(u["update"], u["loss"]) for u in straight[15:]]


@pytest.mark.parametrize(
    ("fields", "named"), [({"most_streams": 3}, "most_streams"), ({"cell": "gru"}, "cell"), ({"cell": "lstm"}, "cell")]
)
def test_what_it_cannot_do_is_refused_by_name(server: Server, fields: dict[str, object], named: str) -> None:
    with viewer(server.ws) as one:
        refused = one.refusal(type="open", recipe=TENSORFLOW | fields)
    assert refused["code"] == "conflict"
    assert refused["field"] == f"recipe.{named}, recipe.framework"


def test_tensorflow_is_not_imported_unless_asked_for(start_server: Callable[..., Any]) -> None:
    with start_server() as server, viewer(server.ws) as one:
        one.open()
        one.until("updates")
        assert tensorflow_processes(server) == []
        assert "tensorflow" not in Path(f"/proc/{server.process.pid}/maps").read_text()
        one.open(recipe=TENSORFLOW)
        one.until("updates")
        assert len(tensorflow_processes(server)) == 1
        assert "tensorflow" not in Path(f"/proc/{server.process.pid}/maps").read_text()


def test_a_killed_process_costs_its_viewers_a_reconnection_and_nobody_else_anything(
    start_server: Callable[..., Any],
) -> None:
    with start_server() as server, viewer(server.ws) as tensorflow, ExitStack() as others:
        tensorflow.open(recipe=TENSORFLOW, pace=20)
        checkpoint = tensorflow.checkpoint
        tensorflow.until("updates")
        torch = others.enter_context(viewer(server.ws))  # only now: who says nothing while TensorFlow loads is let go
        torch.open(pace=20)
        torch.until("updates")
        (process,) = tensorflow_processes(server)
        os.kill(process, signal.SIGKILL)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                tensorflow.updates(1)  # and says so: a run that has come to the end of its window asks nothing of it
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1011
        torch.until("updates")
        again = others.enter_context(viewer(server.ws))
        again.resume(checkpoint, after=5, pace="max")
        assert again.until("updates")["updates"][0]["update"] == 6
        assert httpx.get(server.url + "/readyz").status_code == 200
        assert "Traceback" not in server.log.read_text()


def test_the_process_ends_with_a_server_that_was_killed(start_server: Callable[..., Any]) -> None:
    with start_server() as server, viewer(server.ws) as one:
        one.open(recipe=TENSORFLOW, pace="max")
        (process,) = tensorflow_processes(server)
        descriptor = os.pidfd_open(process)
        server.process.kill()
        ended, _, _ = select.select([descriptor], [], [], SECONDS)
        os.close(descriptor)
    assert ended, "TensorFlow's process outlived its server"
