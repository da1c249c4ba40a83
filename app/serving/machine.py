"""The machine as this process may use it; in a container, the container's bounds."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")
MEMORY = Path("/proc/meminfo")
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))

UNBOUNDED = 2**60
"""Bytes from which on version 1's memory limit means none."""


@dataclass(frozen=True)
class Machine:
    """The cores and memory that there are, and the bounds on them.

    `quota` is in cores, `memory` in bytes; None where there is no bound, or it cannot be known.
    """

    cores: int
    quota: float | None
    memory: int | None
    is_container: bool

    @property
    def share(self) -> float:
        """Cores that may be kept busy."""
        return self.cores if self.quota is None else min(self.cores, self.quota)


def look(cgroups: Path = CGROUPS, own_group: Path = OWN_GROUP, memory: Path = MEMORY) -> Machine:
    """The bounds of Linux's control groups, versions 2 and 1, and what the machine has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas, limits = [], []
    for group in _groups(cgroups, own_group):
        quotas += _quota(group)
        limits += [limit for name in ("memory.max", "memory.limit_in_bytes") for limit in _number(group / name)]
    with suppress(OSError):
        limits += [int(line.split()[1]) * 1024 for line in memory.read_text().splitlines() if "MemTotal" in line]
    limits = [limit for limit in limits if limit < UNBOUNDED]
    is_container = any(mark.exists() for mark in CONTAINER_MARKS)
    return Machine(cores, min(quotas, default=None), min(limits, default=None), is_container)


def _groups(cgroups: Path, own_group: Path) -> Iterator[Path]:
    """The groups that this process is in, and all above them, each of which may bound it."""
    try:
        lines = own_group.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for root in (cgroups, *(cgroups / name for name in (controllers, *controllers.split(",")) if name)):
            group = root / path.lstrip("/")
            yield root
            while group != root and root in group.parents:
                yield group
                group = group.parent


def _quota(group: Path) -> list[float]:
    with suppress(OSError, ValueError):  # "max 100000": no bound
        allowed, each = (group / "cpu.max").read_text().split()
        return [int(allowed) / int(each)]
    for time, period in zip(_number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us"), strict=False):
        if time > 0:
            return [time / period]
    return []


def _number(file: Path) -> list[int]:
    with suppress(OSError, ValueError):
        return [int(file.read_text())]
    return []
