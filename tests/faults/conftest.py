"""Servers to kill, and what recovery took at the end."""

import random
from collections.abc import Iterator

import pytest
from _pytest.terminal import TerminalReporter

from tests.faults.servers import Servers, servers
from tests.support.figures import tell


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--moments", type=int, default=random.randrange(10**6), help="seed of the random moments")
    parser.addoption("--record", action="store_true", help="append what recovery took to bench/results.json")


@pytest.fixture(scope="session")
def moments(request: pytest.FixtureRequest) -> int:
    """The seed of all random moments of this session."""
    return int(request.config.getoption("--moments"))


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers(tmp_path_factory.mktemp("faults")) as started:
        yield started
        assert "Traceback" not in started.log()


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.write_line(f"random moments of --moments {config.getoption('--moments')}")
    tell(terminalreporter, "recovery", config.getoption("--record"))
