"""The training process as a child: what goes over its socket, and that it outlives nobody."""

import pickle
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.training.child import Child, Frames, framed
from app.training.orders import CountRuns, Done


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_messages_come_whole_however_their_bytes_are_cut(size: int) -> None:
    messages = [("first", 1), b"x" * 5000, {"third": [1.5, None]}]
    data = b"".join(framed(message) for message in messages)
    frames, heard = Frames(), []
    for at in range(0, len(data), size):
        heard += frames.feed(data[at : at + size])
    assert heard == messages


def test_bytes_of_an_unfinished_message_wait() -> None:
    frames = Frames()
    assert frames.feed(framed("one") + framed("two")[:-1]) == ["one"]
    assert frames.feed(framed("two")[-1:]) == ["two"]


def test_the_process_ends_when_its_socket_does() -> None:
    child = Child("main")
    child.socket.close()
    assert child.process.wait(60) == 0


def test_a_folder_that_has_an_app_of_its_own_is_not_where_ours_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.py").write_text("raise SystemExit('another one')")
    monkeypatch.chdir(tmp_path)
    child = Child("main")
    child.socket.sendall(framed(([], [CountRuns(1, 0, 1.0)])))
    done = []
    while not done:
        data = child.socket.recv(2**16)
        assert data, "it has ended"
        done = [one for one in Frames().feed(data) if isinstance(one, Done)]
    assert done[0].results == [(1, True, 0)]
    child.close()


def test_the_process_ends_with_a_parent_that_was_killed() -> None:
    code = "from app.training.child import Child; c = Child('main'); print(c.process.pid, flush=True); input()"
    ours, theirs = socket.socketpair()
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=theirs) as parent:
        theirs.close()
        assert ours.recv(100)
        parent.kill()
    # the child has the same standard output: it is closed once both are gone
    ended, _, _ = select.select([ours], [], [], 60)
    assert ended
    assert ours.recv(100) == b""
    ours.close()


def test_nothing_but_a_pickle_of_ours_is_ever_read() -> None:
    with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError)):
        Frames().feed(b"\x03\x00\x00\x00abc")
