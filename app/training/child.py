"""Child: a training process, and the socket to it. Imports little, so that it can be started before all else."""

import pickle
import socket
import struct
import subprocess
import sys
from typing import Any, Literal

_LENGTH = struct.Struct("<I")

ProcessName = Literal["main", "tensorflow"]
"""What a training process is called in logs, metrics and `ps`: the main one has all runs but TensorFlow's."""


class Child:
    """A process that runs `app.training.process`. It ends when the socket does, so it outlives nobody."""

    def __init__(self, name: ProcessName) -> None:
        self.socket, theirs = socket.socketpair()
        # a command of its own, not a fork, which would take torch's state and every open socket with it
        start = f"from app.training.process import main; main({theirs.fileno()}, compiles={name == 'main'})"
        # -P: from where it is installed, whatever folder the server was started in; the name is for `ps`
        command = [sys.executable, "-P", "-c", start, name]
        try:
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)  # noqa: S603
        except OSError:
            self.socket.close()
            raise
        finally:
            theirs.close()

    def close(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        self.socket.close()


def framed(message: Any) -> bytes:
    """A message as it goes over the socket: its length, and its pickle. Nothing from outside is ever unpickled."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


class Frames:
    """Bytes as they come, and the messages in them."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """The messages that are complete by now."""
        self._buffer += data
        messages = []
        at = 0
        while len(self._buffer) >= at + _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, at)
            end = at + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            messages.append(pickle.loads(memoryview(self._buffer)[at + _LENGTH.size : end]))  # noqa: S301
            at = end
        del self._buffer[:at]
        return messages
