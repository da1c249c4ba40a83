"""A training process that is killed, as by the kernel where memory is short: its viewers go on to the bit."""

import os
import random
import signal
from collections.abc import Callable
from typing import Any

import httpx

from tests.faults.follower import Follower
from tests.faults.kills import compare, followed, wait_for
from tests.test_readiness import eventually_says, training_process


def test_viewers_go_on_to_the_bit_after_their_training_process_was_killed(start_server: Callable[..., Any]) -> None:
    recipe = {"cell": "gru", "seed": 3, "hidden_size": 8, "most_streams": 3, "noise": 0.05}
    with start_server() as server:
        eventually_says(server, "ok")
        follower = Follower(server.port, recipe, 60, random.Random(1))
        with followed(follower) as trouble:
            wait_for(follower, 10, trouble)
            process = training_process(server)
            os.kill(process, signal.SIGSTOP)  # it must not be back before the next line has asked
            os.kill(process, signal.SIGKILL)
            eventually_says(server, "starting")
            assert httpx.post(server.url + "/predict", json={"sequence": [0.5]}).status_code == 200
            eventually_says(server, "ok")
            wait_for(follower, len(follower.updates) + 10, trouble)
        assert follower.closes == [1011]
        compare(follower)
        assert "Traceback" not in server.log.read_text()
