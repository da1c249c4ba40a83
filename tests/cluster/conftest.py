"""What it took to go on elsewhere, at the end."""

import pytest
from _pytest.terminal import TerminalReporter


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    for report in terminalreporter.stats.get("passed", []):
        if isinstance(report, pytest.TestReport):
            for name, value in report.user_properties:
                terminalreporter.write_line(
                    f"{name:<70} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
                )
