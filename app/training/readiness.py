"""Readiness: whether more traffic should come to this server."""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType

from app.protocol.probes import Status
from app.training.link import ProcessLost
from app.training.trainer import Trainer

log = logging.getLogger("unrolled.start")

AGAIN_SECONDS = 1.0
"""Seconds between two tries to start a training process that ends at once."""


class Readiness:
    """Whether this server is ready, as /readyz tells, and the care for its training process.

    Args:
        is_full: whether the next viewer or prediction would be turned away.
    """

    def __init__(self, is_full: Callable[[], bool]) -> None:
        self._is_full = is_full
        self._has_training = False
        self._ending: Status | None = None

    @property
    def status(self) -> Status:
        if self._ending is not None:
            return self._ending
        if not self._has_training:
            return "starting"
        return "overloaded" if self._is_full() else "ok"

    async def keep_training(self, trainer: Trainer) -> None:
        """Have the main training process from now on: one that is lost is started again. Never returns."""
        while True:
            try:
                await trainer.start()
                self._has_training = True
                log.info("ready")
                await trainer.lost()
            except ProcessLost:
                await asyncio.sleep(AGAIN_SECONDS)  # it is logged
            self._has_training = False

    def stop(self) -> None:
        """The server stops: nothing is served any more."""
        self._ending = "stopping"
        log.info("stopping")

    def drain_before_stop(self, seconds: float) -> None:
        """From now on SIGTERM first makes /readyz say no for so long, while all is served; then it stops the server.

        A second one stops it at once.
        """
        if not seconds or threading.current_thread() is not threading.main_thread():
            return
        stop = signal.getsignal(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        if not callable(stop):
            return  # whoever runs this app handles signals in another way

        def on_sigterm(number: int, frame: FrameType | None) -> None:
            if self._ending is not None:
                stop(number, frame)
                return
            self._ending = "draining"
            loop.call_soon_threadsafe(partial(log.info, "draining", extra={"seconds": seconds}))
            loop.call_soon_threadsafe(loop.call_later, seconds, stop, number, frame)

        signal.signal(signal.SIGTERM, on_sigterm)
