"""A training process that is too much for its container: its viewers go on to the bit."""

import os
import select
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.conftest import Server
from tests.support.heaviest import HEAVIEST
from tests.support.memory_groups import at_most, may_bound
from tests.support.ready import goes_on_without, training_process
from tests.support.viewers import PATIENCE, viewer


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


@pytest.mark.skipif(not may_bound(), reason="control groups cannot be made here")
def test_viewers_go_on_to_the_bit_after_their_training_process_had_no_more_memory(
    start_server: Callable[..., Any],
) -> None:
    with start_server() as server:
        goes_on_without(server, out_of_memory)
