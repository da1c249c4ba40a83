"""What every blob of bytes must come to: a refusal in one sentence, or a run that goes on."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from app.protocol.updates import encode_updates
from app.store.models import Model
from model.checkpoint import MOST_COUNTED, Checkpoint, CheckpointError
from model.learner import Diverged, Learner, Update
from model.tensorflow.program import NotInstalled

MOST_SECONDS = 0.1
"""Of processor time, for a refusal. It is taken from this thread's own clock: a busy machine does not count."""

MOST_CHARACTERS = 500

MOST_MEBIBYTES = 48
"""Of memory that one may take for a moment: a file of 1 MiB is held as bytes, as text, as a run and as tensors."""


class Peak:
    """How far this process's memory has grown since, at its peak; 0 where the kernel does not tell."""

    def __init__(self) -> None:
        self._before = 0.0
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
            self._before = self._now()

    @property
    def grown(self) -> float:
        """MiB."""
        return self._now() - self._before if self._before else 0.0

    def _now(self) -> float:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


def without_tensorflow(*_: Any) -> Any:
    raise NotInstalled


def verdict(blob: bytes, updates: int = 2, hurried: bool = False) -> str:
    """Read it and go on with it, as a server would. Anything but these outcomes is an exception."""
    began, memory = time.thread_time(), Peak()
    try:
        checkpoint = Checkpoint.from_bytes(blob)
        learner = Learner.resume(checkpoint, tensorflow=without_tensorflow) if checkpoint.resumable else None
    except (CheckpointError, NotInstalled) as refused:
        seconds = time.thread_time() - began
        if seconds > MOST_SECONDS and not hurried:  # the collector, or a first import, may have come in between
            return verdict(blob, updates, hurried=True)
        _check_refusal(str(refused), seconds)
        assert memory.grown < MOST_MEBIBYTES
        return "refused"
    assert memory.grown < MOST_MEBIBYTES
    assert not hurried, "refused at first, and then not"
    assert all(np.isfinite(tensor).all() for tensor in checkpoint.tensors.values())
    assert Model.of_bytes(blob).summary.parameters > 0
    assert Checkpoint.from_bytes(checkpoint.to_bytes()).run == checkpoint.run
    if learner is None:
        return "a network"
    return _goes_on(learner, updates)


def _check_refusal(said: str, seconds: float) -> None:
    assert seconds <= MOST_SECONDS, f"refused after {1000 * seconds:.0f} ms: {said}"
    assert 0 < len(said) < MOST_CHARACTERS, said
    assert said.isprintable(), repr(said)


def _goes_on(learner: Learner, updates: int) -> str:
    made: list[Update] = []
    outcome = "went on"
    for number in range(updates):
        try:
            made.append(learner.advance(frozenset(("hidden", "gradient", "after", "graph") if number == 0 else ())))
        except Diverged as diverged:
            outcome = "diverged"
            _reads_back(diverged.last_good)
            break
    for message in json.loads(encode_updates(made))["updates"]:
        _finite(message)
    _reads_back(learner.checkpoint())
    return outcome


def _reads_back(checkpoint: Checkpoint) -> None:
    run = checkpoint.run
    if max(run.update, run.position, run.next_stream_id, run.optimizer_steps) > MOST_COUNTED:
        return  # it has counted to the end, after some years at pace max
    blob = checkpoint.to_bytes()
    again = Checkpoint.from_bytes(blob)
    assert again.run == run
    assert again.to_bytes() == blob


def _finite(value: Any) -> None:
    """JSON has no word for what is not finite, and the encoder writes null."""
    assert value is not None
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _finite(inner)
