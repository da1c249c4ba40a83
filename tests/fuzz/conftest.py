"""Counts the cases of each kind, says how many there were, and fails where they are fewer than were asked for."""

from collections import Counter
from collections.abc import Iterator

import pytest
from _pytest.terminal import TerminalReporter

from tests.conftest import Server, running
from tests.support.nursery import World

CASES = "cases: "

UNHURRIED = World(ping_seconds=3600)
"""Whoever draws hostile messages answers no ping meanwhile, for seconds on a busy machine."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("fuzz"), world=UNHURRIED) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", type=int, default=0, help="how many cases there must be in all")


def cases(config: pytest.Config) -> Counter[str]:
    """By kind; those of failed tests do not count."""
    counted: Counter[str] = Counter()
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for report in reporter.stats.get("passed", []) if reporter else []:
        for name, value in report.user_properties:
            if name.startswith(CASES):
                counted[name.removeprefix(CASES)] += int(value)
    return counted


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    is_worker = hasattr(session.config, "workerinput")
    if not is_worker and exitstatus == 0 and cases(session.config).total() < session.config.getoption("--cases"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(str(value))
    counted, wanted = cases(config), config.getoption("--cases")
    for kind, count in sorted(counted.items()):
        terminalreporter.write_line(f"{count:>8,} {kind}")
    if counted:
        enough = f", and {wanted:,} were asked for" if wanted else ""
        terminalreporter.write_line(f"{counted.total():>8,} cases in all{enough}")
