"""What /readyz says, and the process that trains."""

import random
import subprocess
from collections.abc import Callable

import httpx

from tests.conftest import Server
from tests.faults.follower import Follower
from tests.faults.kills import compare, followed, wait_for
from tests.support.sockets import eventually
from tests.support.viewers import PATIENCE


def status(server: Server) -> str:
    answer = httpx.get(server.url + "/readyz", timeout=PATIENCE)
    said: str = answer.json()["status"]
    assert answer.status_code == (200 if said == "ok" else 503)
    return said


def eventually_says(server: Server, said: str, seconds: float = PATIENCE) -> None:
    eventually(lambda: status(server) == said, seconds, f"/readyz says {said}")


def training_process(server: Server) -> int:
    """The child of the server that trains, once it has no other: one that has ended is there until it is waited for."""
    eventually(lambda: len(_children(server)) == 1, PATIENCE, "it has one child")
    return _children(server)[0]


def _children(server: Server) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def goes_on_without(server: Server, lose: Callable[[Server], None]) -> None:
    """Its training process is lost, told, and started again with nobody asking; a viewer goes on to the bit."""
    recipe = {"cell": "gru", "seed": 3, "hidden_size": 8, "most_streams": 3, "noise": 0.05}
    eventually_says(server, "ok")
    lost = training_process(server)
    follower = Follower(server.port, recipe, 60, random.Random(1))
    with followed(follower) as trouble:
        wait_for(follower, 10, trouble)
        lose(server)
        eventually_says(server, "starting")
        assert httpx.post(server.url + "/predict", json={"sequence": [0.5]}).status_code == 200
        eventually_says(server, "ok", 3 * PATIENCE)  # it is started as a user has it, with all imports
        assert training_process(server) != lost
        wait_for(follower, len(follower.updates) + 10, trouble)
    assert follower.closes == [1011]
    compare(follower)
    assert "the training process main has ended" in server.log.read_text()
    assert "Traceback" not in server.log.read_text()
