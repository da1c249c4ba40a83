"""TensorFlow in a process of its own: importing it takes seconds and half a gigabyte, and few viewers ask for it."""

import multiprocessing
import signal
import threading
import weakref
from collections.abc import Set as AbstractSet
from multiprocessing.connection import Connection
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from model.checkpoint import Tensors
from model.play import View
from model.program import Outcome, StateArray
from model.tensorflow_program import NotInstalled, TensorFlowProgram, Weights, is_installed

START_SECONDS = 60.0
"""How long the process may take to answer; its first answer waits for the import."""


class ProcessLost(RuntimeError):
    """TensorFlow's process is gone, and the weights with it. A viewer's checkpoint still has its run."""


class TensorFlowProcess:
    """Programs that run over there. The process starts with the first and ends with the server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Any = None
        self._pipe: Connection | None = None
        self._number = 0
        self._dropped: list[int] = []  # programs that nobody here holds any more

    def program(self, hidden_size: int, optimizer: Literal["adam", "sgd"], weights: Weights) -> "RemoteProgram":
        """As TensorFlowProgram's constructor, and it raises the same.

        Raises:
            ProcessLost: the process did not start.
        """
        if not is_installed():
            raise NotInstalled()
        with self._lock:
            if self._pipe is None:
                self._start()
            assert self._pipe is not None
            pipe = self._pipe
            self._number += 1
        return RemoteProgram(self, pipe, self._number, (hidden_size, optimizer, dict(weights)))

    def _start(self) -> None:
        # spawned, not forked: a fork would take torch's threads and every open socket with it
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._dropped.clear()
        self._process = context.Process(target=_serve, args=(theirs,), name="unrolled-tensorflow", daemon=True)
        self._process.start()
        theirs.close()

    def call(self, pipe: Connection, number: int, method: str, *args: Any) -> Any:
        """The result of a method of a program over there. Raises what it raises, or ProcessLost."""
        with self._lock:
            if pipe is not self._pipe:
                raise ProcessLost("TensorFlow's process has ended")
            try:
                dropped, self._dropped[:] = list(self._dropped), []
                pipe.send((dropped, number, method, args))
                if not pipe.poll(START_SECONDS):
                    raise TimeoutError
                answer = pipe.recv()
            except (EOFError, OSError) as error:
                self.close()
                raise ProcessLost("TensorFlow's process has ended") from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def drop(self, number: int) -> None:
        """Forget a program. It may be called from anywhere, so it only leaves a note for the next call."""
        self._dropped.append(number)

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join(1)
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


class RemoteProgram:
    """A `Program` that runs in TensorFlow's process."""

    def __init__(self, process: TensorFlowProcess, pipe: Connection, number: int, made_from: Any) -> None:
        self._process = process
        self._pipe = pipe
        self._number = number
        self.text: str
        self.parameters: int
        self.versions: dict[str, str]
        self.text, self.parameters, self.versions = self._call("begin", made_from)
        self.steps = 0
        weakref.finalize(self, process.drop, number)

    def run(
        self,
        x: Float32[np.ndarray, "streams time"],
        target: Float32[np.ndarray, "streams time"],
        state: StateArray | None,
        learning_rate: float | None,
        views: AbstractSet[View],
    ) -> Outcome:
        """As `Program.run` says."""
        outcome: Outcome = self._call("run", x, target, state, learning_rate, views)
        self.steps += learning_rate is not None
        return outcome

    def tensors(self) -> Tensors:
        """As `Program.tensors` says."""
        tensors: Tensors = self._call("tensors")
        return tensors

    def load(self, tensors: Tensors, steps: int) -> None:
        """As `Program.load` says."""
        self.steps = steps
        self._call("load", dict(tensors), steps)

    def _call(self, method: str, *args: Any) -> Any:
        return self._process.call(self._pipe, self._number, method, *args)


def _serve(pipe: Connection) -> None:
    """The other process: answer until the server is gone, which ends the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server says when to end
    programs: dict[int, TensorFlowProgram] = {}
    while True:
        try:
            dropped, number, method, args = pipe.recv()
        except EOFError:
            return
        for gone in dropped:
            programs.pop(gone, None)
        try:
            if method == "begin":
                made = programs[number] = TensorFlowProgram(*args[0])
                answer: Any = made.text, made.parameters, made.versions
            else:
                answer = getattr(programs[number], method)(*args)
        except Exception as error:
            answer = error
        pipe.send(answer)
