"""Processor time of what a process started: itself, its servers, its browsers, and those of them that have ended."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One process at one moment. `seconds` includes its children that ended and were waited for."""

    parent: int
    began: int
    seconds: float


class ProcessorTime:
    """How much this process and all that came of it have taken.

    Where a process outlives its parent, as a training process does whose server was killed, nobody waits for it and its
    time would be lost: what was last seen of it counts. Without /proc only this process and those it waited for count.
    """

    def __init__(self) -> None:
        self._seen: dict[int, Process] = {}
        self._lost = 0.0

    def seconds(self) -> float:
        """Since this process began."""
        if not PROC.is_dir():
            return sum(os.times()[:4])
        before, self._seen = self._seen, tree(os.getpid())
        for number, process in before.items():
            if self._has_ended(number, process) and self._has_ended(process.parent, before.get(process.parent)):
                self._lost += process.seconds
        return self._lost + sum(process.seconds for process in self._seen.values())

    def _has_ended(self, number: int, process: Process | None) -> bool:
        now = self._seen.get(number)
        return process is not None and (now is None or now.began != process.began)


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
    return Process(int(fields[1]), int(fields[19]), sum(map(int, fields[11:15])) / TICKS)


def spend(seconds: float) -> None:
    """Keep a core busy for so long."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
