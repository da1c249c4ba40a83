"""The limit of open files, in a process whose limits can be lowered."""

import re
import subprocess
import sys

import pytest

from app.serving.open_files import CROWD, PER_VIEWER, SPARE

HUNDRED = 100 * PER_VIEWER + CROWD


def limited(soft: int, hard: int, max_viewers: int) -> tuple[int, int, str]:
    """The limit that such a process ends up with, the connections it takes, and what it logs."""
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from app.serving.open_files import most_connections, raise_limit
raise_limit({max_viewers})
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], most_connections({max_viewers}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    limit, most = done.stdout.split()
    return int(limit), int(most), done.stderr


def test_the_limit_is_raised_as_far_as_a_full_hall_needs() -> None:
    assert limited(300, 4000, 100) == (HUNDRED + SPARE, HUNDRED, "")


def test_a_limit_that_is_enough_stays() -> None:
    assert limited(5000, 5000, 100) == (5000, HUNDRED, "")


@pytest.mark.parametrize(("hard", "most"), [(1000, 1000 - SPARE), (100, 50)])
def test_a_limit_that_is_too_low_is_told_and_leaves_files_for_the_server_itself(hard: int, most: int) -> None:
    limit, connections, told = limited(50, hard, 1000)
    assert (limit, connections) == (hard, most)
    assert re.search(
        rf"\b{hard} open files .* UNROLLED_MAX_VIEWERS=1000 may need {1000 * PER_VIEWER + CROWD + SPARE}\b", told
    )
