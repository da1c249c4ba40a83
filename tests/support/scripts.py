"""Scripts run by a Python that knows nothing of this project."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np


def run_alone(folder: Path, *arguments: str, **options: Any) -> str:
    """What Python prints that sees the installed packages and nothing of this project. Warnings are errors."""
    command = [sys.executable, "-I", "-W", "error", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def rows(said: str) -> list[tuple[int, int, np.float32]]:
    """Update, length and loss of each line after the heading."""
    _, table = said.split("update  length  loss\n")
    return [(int(u), int(length), np.float32(loss)) for u, length, loss in map(str.split, table.splitlines())]
