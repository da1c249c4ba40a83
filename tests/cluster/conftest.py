"""Two servers behind a proxy, and what viewers felt, told at the end."""

from collections.abc import Iterator

import pytest
from _pytest.terminal import TerminalReporter

from tests.cluster.pair import Pair
from tests.support.figures import tell


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="append what viewers felt to bench/results.json")


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    tell(terminalreporter, "replaced", config.getoption("--record"))


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    made = Pair(folder)
    yield made
    made.close()
    for log in folder.glob("*/server.log"):
        assert "Traceback" not in log.read_text()
