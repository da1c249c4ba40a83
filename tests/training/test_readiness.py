"""When /readyz says that no more should come, on real servers."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from app.training.link import ProcessLost
from app.training.readiness import Readiness
from tests.conftest import Server
from tests.support.ready import eventually_says, goes_on_without, status, training_process
from tests.support.viewers import PATIENCE, viewer


def test_a_full_hall_is_overloaded_and_alive_and_ready_again_when_a_viewer_goes(
    start_server: Callable[..., Any],
) -> None:
    with start_server(max_viewers=1) as server:
        eventually_says(server, "ok")
        with viewer(server.ws) as one:
            one.open(play=False)
            assert status(server) == "overloaded"
            assert httpx.get(server.url + "/healthz").status_code == 200
        eventually_says(server, "ok")


def killed(server: Server) -> None:
    process = training_process(server)
    os.kill(process, signal.SIGSTOP)  # it must not be back before the next line has asked
    os.kill(process, signal.SIGKILL)


def test_a_training_process_that_was_killed_is_told_and_started_again_with_nobody_asking(
    start_server: Callable[..., Any],
) -> None:
    with start_server() as server:
        goes_on_without(server, killed)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_drains_says_so_and_serves_old_and_new_until_a_second_sigterm(
    start_server: Callable[..., Any], workers: int
) -> None:
    with start_server(drain_seconds=600, workers=workers) as server:
        eventually_says(server, "ok")
        with viewer(server.ws) as old:
            old.open(pace=60)
            old.updates(3)
            server.process.send_signal(signal.SIGTERM)
            eventually_says(server, "draining")
            old.updates(3)
            with viewer(server.ws) as new:
                new.open()
                new.updates(3)
                assert httpx.post(server.url + "/predict", json={"sequence": [0.5]}).status_code == 200
                server.process.send_signal(signal.SIGTERM)
                for one in (old, new):
                    with pytest.raises(ConnectionClosed) as caught:
                        while True:
                            one.updates(1)
                    assert caught.value.rcvd is not None
                    assert caught.value.rcvd.code == 1012
        server.process.wait(PATIENCE)
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_draining_server_ends_when_its_time_is_over(start_server: Callable[..., Any], workers: int) -> None:
    with start_server(drain_seconds=0.5, workers=workers) as server:
        eventually_says(server, "ok")
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(PATIENCE)
        assert time.monotonic() - began >= 0.5, "and no sooner"


def test_a_training_process_that_cannot_be_started_now_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.training.readiness.AGAIN_SECONDS", 0.01)

    class Trainer:
        tries = 0
        runs = asyncio.Event()

        async def start(self) -> None:
            self.tries += 1
            if self.tries == 1:
                raise ProcessLost()

        async def lost(self) -> None:
            self.runs.set()
            await asyncio.Event().wait()

    async def until_ready() -> None:
        readiness, trainer = Readiness(lambda: False), Trainer()
        keeping = asyncio.create_task(readiness.keep_training(trainer))  # type: ignore[arg-type]
        await trainer.runs.wait()
        assert readiness.status == "ok"
        assert trainer.tries == 2
        keeping.cancel()

    asyncio.run(asyncio.wait_for(until_ready(), PATIENCE))
