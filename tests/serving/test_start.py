"""A server that cannot start says why and ends, in one process and in several."""

import os
from pathlib import Path

import pytest

from tests.support.nursery import Forked, World


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_cannot_be_made_says_why_and_ends(tmp_path: Path, workers: int) -> None:
    unusable = str(tmp_path / ("x" * 300))  # no file system has such a name
    arguments = ["serve", "--port", "0", "--workers", str(workers)]
    log = tmp_path / "log"
    with Forked(arguments, os.environ | {"UNROLLED_MODELS_DIR": unusable}, tmp_path, log, World()) as server:
        assert server.wait(100) == 3
    assert "this server cannot start: [Errno 36] File name too long" in log.read_text()
    assert "Traceback" not in log.read_text()
