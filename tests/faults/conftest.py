"""Servers to kill, and what recovery took at the end."""

import random
import statistics
from collections.abc import Iterator

import pytest
from _pytest.terminal import TerminalReporter

from bench.results import record
from tests.faults.servers import Servers, servers


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
        assert "Traceback" not in started.log.read_text()


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.write_line(f"random moments of --moments {config.getoption('--moments')}")
    times: dict[str, list[float]] = {}
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if isinstance(value, float):
                times.setdefault(name, []).append(value)
    figures = {}
    for name, seconds in times.items():
        figures[f"{name}, median, s"] = round(statistics.median(seconds), 2)
        figures[f"{name}, worst of {len(seconds)}, s"] = round(max(seconds), 2)
    for name, figure in figures.items():
        terminalreporter.write_line(f"{name:<70} {figure}")
    if figures and config.getoption("--record"):
        record("recovery", figures)
