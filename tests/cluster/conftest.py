"""What viewers felt, told at the end."""

import pytest
from _pytest.terminal import TerminalReporter

from tests.figures import tell


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="append what viewers felt to bench/results.json")


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    tell(terminalreporter, "cluster", config.getoption("--record"))
