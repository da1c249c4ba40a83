"""What is in examples/, as its readers would run it: against a live server."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.conftest import Server, running
from tests.faults.proxy import Proxy

EXAMPLES = Path(__file__).parents[2] / "examples"
TOKEN = "a-token-of-this-test-alone"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of their own, since the client uploads a model, which asks for a token."""
    with running(tmp_path_factory.mktemp("live"), token=TOKEN) as server:
        yield server


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLLED_TOKEN", TOKEN)


def test_the_client_trains_a_run_and_has_it_predict(live: Server) -> None:
    command = [sys.executable, EXAMPLES / "client.py", live.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    trained, predicted = done.stdout.splitlines()
    assert trained.startswith("1000 updates, loss 0.")
    assert 0 < float(predicted.split()[-1]) < 0.1


def test_the_client_goes_on_where_its_wire_was_cut(live: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    client = runpy.run_path(str(EXAMPLES / "client.py"))
    train = client["train"]
    # more updates than the messages before the last cut can hold, and a change that no window reaches at once
    train.__globals__["RECIPE"] = client["RECIPE"] | {"stop_after": 2500}
    train.__globals__["CHANGE"] = client["CHANGE"] | {"after_update": 600}
    whole = train(live.url)

    proxy = Proxy(live.port)
    frames_until_cut = [0, 1, 6, 4]  # before `opened`, before the first checkpoint, and twice on the way

    def connect_for_a_while(url: str, **options: Any) -> ClientConnection:
        socket = connect(url, **options)
        left = frames_until_cut.pop(0) if frames_until_cut else None
        receive = socket.recv

        def counted(timeout: float) -> str | bytes:
            nonlocal left
            if left == 0:
                proxy.cut()
            if left is not None:
                left -= 1
            return receive(timeout)

        monkeypatch.setattr(socket, "recv", counted)
        return socket

    train.__globals__["connect"] = connect_for_a_while
    try:
        pieced = train(f"http://127.0.0.1:{proxy.port}")
    finally:
        proxy.close()
    assert frames_until_cut == []
    assert len(whole.losses) == 2500
    assert pieced.losses == whole.losses
    assert pieced.checkpoint == whole.checkpoint


def test_the_client_gives_up_where_no_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    client = runpy.run_path(str(EXAMPLES / "client.py"))
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    with pytest.raises(ConnectionRefusedError):
        client["train"]("http://127.0.0.1:1")
    assert len(waits) == 9


def test_the_client_does_not_try_again_without_the_token(live: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNROLLED_TOKEN")
    client = runpy.run_path(str(EXAMPLES / "client.py"))
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    with pytest.raises(SystemExit, match="token_needed"):
        client["train"](live.url)
    assert waits == []


def test_the_notebook_drives_a_run_and_draws_it(live: Server, tmp_path: Path) -> None:
    kept = tmp_path / "run.ipynb"
    folders = {name: str(tmp_path) for name in ("HOME", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    command = [Path(sys.executable).with_name("jupyter-execute"), "--output", kept, EXAMPLES / "notebook.ipynb"]
    done = subprocess.run(
        command, env=os.environ | folders | {"UNROLLED_URL": live.url}, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads(kept.read_text())["cells"]
    outputs = [output["data"] for cell in cells for output in cell.get("outputs", []) if "data" in output]
    assert "240 chunks of 10 to 30 time steps" in "".join(outputs[0]["text/plain"])
    figures = [data["application/vnd.plotly.v1+json"]["data"] for data in outputs[1:]]
    assert [[trace.get("name") for trace in figure] for figure in figures] == [["target", "prediction"]] * 2 + [[None]]
    losses = figures[2][0]["y"]
    assert len(losses) == 240
    assert losses[-1] < 0.01 < losses[0]


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text())["cells"]
    assert [cell["outputs"] for cell in cells if cell["cell_type"] == "code" and cell["outputs"]] == []
