"""A training process that ends against its will: its viewers go on to the bit."""

import os
import random
import select
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.conftest import Server
from tests.faults.follower import Follower
from tests.faults.kills import compare, followed, wait_for
from tests.memory_groups import at_most, may_bound
from tests.support.heaviest import HEAVIEST
from tests.test_readiness import eventually_says, training_process
from tests.viewers import PATIENCE, viewer


def killed(server: Server) -> None:
    process = training_process(server)
    os.kill(process, signal.SIGSTOP)  # it must not be back before the next line has asked
    os.kill(process, signal.SIGKILL)


def out_of_memory(server: Server) -> None:
    """The kernel kills it, since it asks for more than its container may have."""
    process = training_process(server)
    descriptor = os.pidfd_open(process)
    with at_most(2**20) as group, ExitStack() as others:
        group.take_in(process)
        for _ in range(4):
            others.enter_context(viewer(server.ws)).send(type="open", recipe=HEAVIEST, pace="max")
        ended, _, _ = select.select([descriptor], [], [], PATIENCE)
        os.close(descriptor)
        assert ended, "it did with less than it was thought to need"
        assert group.killed() == 1


WAYS: Sequence[Callable[[Server], None]] = [killed, *([out_of_memory] if may_bound() else [])]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_viewers_go_on_to_the_bit_after_their_training_process_was_lost(
    start_server: Callable[..., Any], way: Callable[[Server], None]
) -> None:
    recipe = {"cell": "gru", "seed": 3, "hidden_size": 8, "most_streams": 3, "noise": 0.05}
    with start_server() as server:
        eventually_says(server, "ok")
        follower = Follower(server.port, recipe, 60, random.Random(1))
        with followed(follower) as trouble:
            wait_for(follower, 10, trouble)
            way(server)
            eventually_says(server, "starting")
            assert httpx.post(server.url + "/predict", json={"sequence": [0.5]}).status_code == 200
            eventually_says(server, "ok")
            wait_for(follower, len(follower.updates) + 10, trouble)
        assert follower.closes == [1011]
        compare(follower)
        assert "Traceback" not in server.log.read_text()
