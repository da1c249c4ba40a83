"""Bounds on memory as containers have them: a control group of the kernel's, version 2 or 1."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOTS = {
    Path("/sys/fs/cgroup/memory"): ("memory.limit_in_bytes", "memory.oom_control"),
    Path("/sys/fs/cgroup"): ("memory.max", "memory.events"),
}
"""Where groups are made in version 1 and 2, the file of the limit, and that which counts whom the kernel has killed."""


@dataclass(frozen=True)
class Group:
    """Processes that may have so much memory together. What a process had before it came in does not count."""

    path: Path
    counts: str

    def take_in(self, process: int) -> None:
        (self.path / "cgroup.procs").write_text(str(process))

    def killed(self) -> int:
        """How many processes the kernel has ended because there was no more memory for them."""
        lines = dict(line.split() for line in (self.path / self.counts).read_text().splitlines())
        return int(lines["oom_kill"])


@contextmanager
def at_most(size: int) -> Iterator[Group]:
    """A group with so many bytes. It must be empty when the block ends.

    Raises:
        OSError: this process may not make one, or this kernel has none.
    """
    for root, (limit, counts) in ROOTS.items():
        if not (root / "cgroup.procs").exists():
            continue
        path = root / f"unrolled-{secrets.token_hex(4)}"
        path.mkdir()
        try:
            (path / limit).write_text(str(size))
            yield Group(path, counts)
        finally:
            path.rmdir()
        return
    raise FileNotFoundError("no control groups")


def may_bound() -> bool:
    """Whether groups can be made here: for root outside of a container, as a rule."""
    try:
        with at_most(2**20):
            return True
    except OSError:
        return False
