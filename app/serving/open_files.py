"""Open files: how many the process may have, and how many of them are for connections."""

import logging
import sys

log = logging.getLogger("unrolled.start")

PER_VIEWER = 8
"""A browser that loads the page opens six connections; then one for its run, and one for what else it tries."""

CROWD = 2048
"""Connections for those who find the hall full: each holds one until it has been told."""

SPARE = 256
"""Files for libraries, models, the graph lab and the event loop."""


def raise_limit(max_viewers: int) -> None:
    """Let this process and those that it starts open as many files as a full hall needs, or warn that they may not."""
    if sys.platform == "win32":
        return
    import resource

    want = needed(max_viewers)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < want:
        try:
            soft = want if hard == resource.RLIM_INFINITY else min(want, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (OSError, ValueError):  # some systems have a lower bound than the one they name
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < want:
            log.warning("%d open files are allowed, and UNROLLED_MAX_VIEWERS=%d may need %d", soft, max_viewers, want)


def allowed() -> int | None:
    """How many files this process could have open if it asked; None: without a limit."""
    if sys.platform == "win32":
        return None
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard


def needed(max_viewers: int) -> int:
    """How many files a server with a full hall may have open."""
    return _connections(max_viewers) + SPARE


def most_connections(max_viewers: int) -> int:
    """As many connections as a full hall needs, or as fit in what may be opened now."""
    full = _connections(max_viewers)
    if sys.platform == "win32":
        return full
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return full if soft == resource.RLIM_INFINITY else min(full, max(soft - SPARE, soft // 2))


def _connections(max_viewers: int) -> int:
    return PER_VIEWER * max_viewers + CROWD
