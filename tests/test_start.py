"""A server that cannot start says why and ends, in one process and in several."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_cannot_be_made_says_why_and_ends(tmp_path: Path, workers: int) -> None:
    unusable = str(tmp_path / ("x" * 300))  # no file system has such a name
    done = subprocess.run(
        [Path(sys.executable).with_name("unrolled"), "serve", "--port", "0", "--workers", str(workers)],
        cwd=tmp_path,
        env=os.environ | {"UNROLLED_MODELS_DIR": unusable},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 3
    assert "this server cannot start: [Errno 36] File name too long" in done.stderr
    assert "Traceback" not in done.stderr
