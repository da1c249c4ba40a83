"""Servers on which TensorFlow is not installed, whatever this machine has."""

from collections.abc import Sequence
from importlib import util

from tests.support.nursery import unrolled


def without_tensorflow(arguments: Sequence[str]) -> None:
    """The command of a server that looks for it in vain, as what it forks does."""
    find_spec = util.find_spec
    util.find_spec = lambda name, package=None: None if name == "tensorflow" else find_spec(name, package)  # type: ignore[assignment]
    unrolled(arguments)
