"""Workers: several server processes under a parent that serves nothing itself."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import wait

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.serving.listening import SharedPort


class Workers(Multiprocess):
    """uvicorn's supervisor: it replaces a worker that died, and ends them all when it is told to end.

    Args:
        config: of each worker; its app is made there.
        port: that they listen on.
        ready: called once, when all of them serve.
    """

    def __init__(self, config: uvicorn.Config, port: SharedPort, ready: Callable[[], None]) -> None:
        super().__init__(config, [port])
        self._ready = ready
        self._is_told = False

    def run(self) -> None:
        """Watch over the workers until told to end, or until one cannot start: then exit as that one did."""
        super().run()
        if any(worker.exitcode == STARTUP_FAILURE for worker in self.processes):
            sys.exit(STARTUP_FAILURE)

    def keep_subprocess_alive(self) -> None:
        """Replace workers that died, and say when all are ready. Called twice a second."""
        for worker in self.processes:
            worker.child_conn.close()  # it is the worker's: who waits for an answer hears at once when that one ends
        super().keep_subprocess_alive()
        if not self._is_told and not self.should_exit.is_set():
            self._is_told = all(worker.is_ready() for worker in self.processes)
            if self._is_told:
                self._ready()

    def join_all(self) -> None:
        """Wait for the workers to end. A signal meanwhile is passed on to them, and ends their draining."""
        for worker in self.processes:
            while worker.process.is_alive():
                worker.process.join(0.2)
                if self.signal_queue:
                    self.signal_queue.clear()
                    for other in self.processes:
                        if other.process.is_alive() and other.pid is not None:
                            os.kill(other.pid, signal.SIGTERM)


def end_with_parent() -> None:
    """End this worker when its parent ends: one that was killed told nobody to stop."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), name="parent", daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
