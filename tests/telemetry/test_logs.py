"""What the server logs: a record a line, each with its connection, whatever comes from outside."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from app.telemetry.logs import log_to_stderr, name_connection
from model.compiled import kept
from model.compiled.machine_code import file_name, kernel, processor
from tests.conftest import Server
from tests.support.sockets import eventually
from tests.support.viewers import PATIENCE, viewer


@pytest.fixture
def log_as() -> Iterator[Callable[..., None]]:
    """Logs to stderr in a format, and puts everything back."""
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn.error")
    before = root.level, root.handlers[:], uvicorn.level

    def start(**settings: Any) -> None:
        log_to_stderr(Settings(**settings))

    yield start
    root.handlers[:] = before[1]
    root.setLevel(before[0])
    uvicorn.setLevel(before[2])


@pytest.fixture
def json_server(start_server: Callable[..., Any]) -> Iterator[Server]:
    with start_server(log_format="json", max_viewers=1) as server:
        yield server


def records(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def test_a_server_logs_where_it_listens_when_it_is_ready_and_when_it_stops(start_server: Callable[..., Any]) -> None:
    with start_server(log_format="json") as server:
        eventually(lambda: "ready" in server.log.read_text(), PATIENCE, "it is ready")
        server.process.terminate()
        server.process.wait(PATIENCE)
    listening, ready, stopping = (record for record in records(server) if record["message"] != "compiling")
    assert {
        "message": "listening",
        "address": "127.0.0.1",
        "port": server.port,
        "workers": 1,
    }.items() <= listening.items()
    assert (ready["message"], stopping["message"]) == ("ready", "stopping")


def test_a_server_that_has_to_compile_code_says_so_before_it_is_ready(
    start_server: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready_made = [file_name(f"{cell}-float32", processor()) for cell in ("rnn", "gru")]
    for cell in ("rnn", "gru"):
        kernel(cell, "float32")
    codes = [kept.read(name) for name in ready_made]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, code in zip(ready_made, codes, strict=True):
        assert code is not None
        kept.keep(name, code)
    with start_server(log_format="json") as server:
        eventually(lambda: '"ready"' in server.log.read_text(), PATIENCE, "it is ready")
    told = {record["message"]: record for record in records(server)}
    assert list(told) == ["listening", "compiling", "ready"]
    assert told["compiling"]["kernels"] == 1
    assert (tmp_path / "unrolled" / file_name("lstm-float32", processor())).is_file()


def test_json_logs_tell_a_viewers_story_under_the_name_that_it_was_told(json_server: Server) -> None:
    with viewer(json_server.ws) as one:
        name = one.open(recipe={"seed": 7, "cell": "gru"}, play=False)["connection"]
        assert re.fullmatch("[0-9a-f]{8}", name)
        with viewer(json_server.ws) as two, pytest.raises(Exception, match="1013"):
            two.next()
        assert one.refusal(type="pace", pace=-1)["code"] == "out_of_range"

    def story() -> list[str]:
        return [record["message"] for record in records(json_server) if record.get("connection") == name]

    eventually(lambda: "went" in story(), PATIENCE, "its end is logged")
    assert [line for line in story() if not line.startswith("gone")] == ["came", "run opened", "refused", "went"]
    told = {record["message"]: record for record in records(json_server) if record.get("connection") == name}
    opened = told["run opened"]
    assert {"cell": "gru", "seed": 7, "update": 0, "resumed": False}.items() <= opened.items()
    assert {"route": "/ws/train", "address": "127.0.0.1"}.items() <= told["came"].items()
    assert {"code": "out_of_range", "field": "pace"}.items() <= told["refused"].items()
    assert all({"time", "level", "logger", "process"} <= set(record) for record in told.values())
    (away,) = [record for record in records(json_server) if record["message"] == "turned away"]
    assert away["reason"] == "full"
    assert away["connection"] != name, "each has a name of its own"


def test_two_connections_have_two_names(server: Server) -> None:
    with viewer(server.ws) as one, viewer(server.ws) as two:
        assert one.open(play=False)["connection"] != two.open(play=False)["connection"]


HOSTILE = "a\nERROR forged \x1b[2J \u2028\x85\x9b name=value"


def test_a_text_record_is_one_line_whatever_is_in_it(
    log_as: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    log_as()
    name = name_connection()
    logging.getLogger("unrolled.test").warning("said %s", HOSTILE, extra={"field": HOSTILE, "update": 3})
    line, nothing = capsys.readouterr().err.split("\n")
    assert nothing == ""
    assert "\x1b" not in line
    assert line.endswith(f" update=3 connection={name}")
    assert 'field="a\\nERROR forged' in line, "in quotes: its name=value is no field of the record"


def test_a_json_record_is_one_line_whatever_is_in_it(
    log_as: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    log_as(log_format="json")
    name = name_connection()
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("unrolled.test").exception("said %s", HOSTILE, extra={"field": HOSTILE})
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert record["message"] == f"said {HOSTILE}"
    assert record["field"] == HOSTILE
    assert record["connection"] == name
    assert "ValueError" in record["exc_info"]
