"""A pytest plugin: a line for each file that is done; at the end what each took, and how to run what failed alone."""

import time
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.processor_time import ProcessorTime

TAKEN = "processor_time"
"""Where a worker of pytest-xdist puts its figures for who started it."""

STARTING = "starting and ending"
LEAST_SECONDS = 1.0
"""Files that took less are added up."""


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Taken(config), "unrolled-taken")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(config), "unrolled-progress")


class Taken:
    """Processor time by file, of this process and all that it started."""

    def __init__(self, config: pytest.Config) -> None:
        self.by_file: Counter[str] = Counter()
        self._config = config
        # workers count for themselves, with all that they started; who deals tests out to them only itself
        deals = config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")
        self._seconds = time.process_time if deals else ProcessorTime().seconds
        self._until_now = 0.0

    def note(self, file: str) -> None:
        """What was taken since this was last called, or since the start, was for this file."""
        now = self._seconds()
        self.by_file[file] += now - self._until_now
        self._until_now = now

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        file = _file(item.nodeid)
        if self._until_now == 0.0:
            self.note(STARTING)
        done = yield
        if nextitem is None or _file(nextitem.nodeid) != file:
            self.note(file)
        return done

    def pytest_sessionfinish(self) -> None:
        self.note(STARTING)
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[TAKEN] = dict(self.by_file)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.by_file.update(getattr(node, "workeroutput", {}).get(TAKEN, {}))


class Progress:
    """Says which file is done, at once what failed, and at the end how to run that alone."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        # one process says what it does by itself
        self._by_file = config.getoption("dist", "no") != "no" and config.option.verbose == 0
        self._left: Counter[str] = Counter()
        self._outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self._began: dict[str, float] = {}
        self._done = self._all = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        self._expect(ids)  # each worker has collected the same

    def _expect(self, nodes: Iterable[str]) -> None:
        expected = Counter(_file(node) for node in nodes)
        if expected:
            self._left, self._all = expected, expected.total()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._began.setdefault(_file(nodeid), time.monotonic())

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        if not self._by_file or report.skipped:
            return None
        if report.failed:
            return ("failed" if report.when == "call" else "error"), "", ""
        return ("passed" if report.when == "call" else ""), "", ""  # in place of a dot a line for the whole file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = _file(report.nodeid)
        if report.failed or report.when == "call" or report.skipped:
            self._outcomes[file]["failed" if report.failed else report.outcome] += 1
        if report.failed:
            self._say(f"FAILED {report.nodeid}" + (f" in its {report.when}" if report.when != "call" else ""), red=True)
        if report.when != "teardown":
            return
        self._done += 1
        self._left[file] -= 1
        if self._left[file] == 0:
            counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self._outcomes[file].items()))
            seconds = time.monotonic() - self._began.get(file, time.monotonic())
            self._say(f"[{self._done / max(self._all, 1):4.0%}] {file}: {counts} in {seconds:.1f} s")

    def _say(self, line: str, **markup: bool) -> None:
        if self._by_file:
            self._config.pluginmanager.get_plugin("terminalreporter").write_line(line, **markup)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        taken: Taken = self._config.pluginmanager.get_plugin("unrolled-taken")
        terminalreporter.section("processor time, servers and browsers included")
        for line in lines(taken.by_file):
            terminalreporter.write_line(line)
        failed = {report.nodeid for kind in ("failed", "error") for report in terminalreporter.stats.get(kind, [])}
        if failed:
            terminalreporter.section("to run what failed alone")
            for node in sorted(failed):
                terminalreporter.write_line(f".venv/bin/pytest '{node}'")


def lines(by_file: Counter[str]) -> list[str]:
    """A table, the most expensive first."""
    everything = by_file.total()
    few = {file: seconds for file, seconds in by_file.items() if seconds < LEAST_SECONDS}
    shown = [(seconds, file) for file, seconds in by_file.items() if file not in few]
    rows = sorted(shown, reverse=True)
    if few:
        rows.append((sum(few.values()), f"{len(few)} others, each under {LEAST_SECONDS:g} s"))
    return [*(f"{seconds:8.1f} s  {file}" for seconds, file in rows), f"{everything:8.1f} s  in all"]


def _file(node: str) -> str:
    return Path(node.split("::")[0]).as_posix()
