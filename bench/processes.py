"""What a process and its children have taken so far, as Linux tells it."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """That process, its children, theirs, and so on."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for other in Path(f"/proc/{pid}/task").iterdir():
        if other.name != str(pid):
            children += (other / "children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def cpu_seconds(pid: int) -> float:
    """Processor time of the family, that of children which have ended included."""
    return sum(sum(map(int, _stat(one)[11:13])) for one in family(pid)) / TICKS + _reaped(pid)


def resident_bytes(pid: int) -> int:
    """Memory of the family that is in use, what several of them share counted for each."""
    return sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid)) * PAGE


def threads(pid: int) -> int:
    return sum(len(os.listdir(f"/proc/{one}/task")) for one in family(pid))


def open_files(pid: int) -> int:
    return sum(len(os.listdir(f"/proc/{one}/fd")) for one in family(pid))


def _reaped(pid: int) -> float:
    return sum(map(int, _stat(pid)[13:15])) / TICKS


def _stat(pid: int) -> list[str]:
    """From the third field on: the second, the name, may have spaces in it."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
