"""Servers on which TensorFlow is not installed, whatever this machine has."""

from pathlib import Path

import pytest

_SITE = """
from importlib import util

find_spec = util.find_spec
util.find_spec = lambda name, package=None: None if name == "tensorflow" else find_spec(name, package)
"""


def hide_tensorflow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python process that is started from now on looks for it in vain."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_SITE)
    monkeypatch.setenv("PYTHONPATH", str(site))
