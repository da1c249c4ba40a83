"""Processor time of what a process started: itself, its servers, its browsers, and those of them that have ended."""

import ctypes
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
SET_CHILD_SUBREAPER = 36  # of prctl(2)


@dataclass(frozen=True)
class Process:
    """One process at one moment. `seconds` includes its children that ended and were waited for."""

    parent: int
    has_ended: bool
    seconds: float


class ProcessorTime:
    """How much this process and all that came of it have taken.

    A process that outlives its parent, as a training process does whose server was killed and a browser's do, becomes
    this one's child, and this one waits for it. Without Linux only this process and those it waited for count.
    """

    def __init__(self) -> None:
        self._others: set[int] = set()  # that other processes than this one began
        self._has_all = sys.platform == "linux" and ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1) == 0

    def seconds(self) -> float:
        """Since this process began."""
        if not self._has_all:
            return sum(os.times()[:4])
        this = os.getpid()
        found = tree(this)
        for number, process in found.items():
            if process.parent not in (this, os.getppid()):
                self._others.add(number)
            elif process.has_ended and number in self._others:
                self._others.remove(number)
                os.waitpid(number, 0)
        return sum(process.seconds for process in found.values())


def tree(root: int) -> dict[int, Process]:
    """A process and its descendants, by number."""
    everybody = {int(folder.name): found for folder in PROC.glob("[0-9]*") if (found := _read(folder))}
    children: dict[int, list[int]] = {}
    for number, process in everybody.items():
        children.setdefault(process.parent, []).append(number)
    found, ahead = {}, [root]
    while ahead:
        number = ahead.pop()
        if number in everybody and number not in found:
            found[number] = everybody[number]
            ahead += children.get(number, [])
    return found


def _read(folder: Path) -> Process | None:
    try:
        text = (folder / "stat").read_text()
    except OSError:
        return None  # it has ended meanwhile
    fields = text.rpartition(")")[2].split()  # a name may hold anything, a bracket too
    return Process(int(fields[1]), fields[0] == "Z", sum(map(int, fields[11:15])) / TICKS)


def spend(seconds: float) -> None:
    """Keep a core busy for so long."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
