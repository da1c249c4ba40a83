"""Which modules are there once others were imported: for a process that has not imported what a test has."""

import sys
from collections.abc import Sequence
from importlib import import_module


def imported(first: Sequence[str], among: Sequence[str]) -> list[str]:
    """Those among them that importing the first brings along."""
    for name in first:
        import_module(name)
    return [name for name in among if name in sys.modules]


def imported_by_an_app(among: Sequence[str]) -> list[str]:
    """Those that making an app, and the command line, bring along."""
    from app.main import create_app

    create_app()
    return imported(["app.cli"], among)
