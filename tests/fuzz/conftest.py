"""Says at the end how many hostile checkpoints there were."""

from collections import Counter

from _pytest.terminal import TerminalReporter


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    outcomes: Counter[str] = Counter()
    lines = []
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "figure":
                lines.append(str(value))
            elif name.startswith("cases: "):
                outcomes[name.removeprefix("cases: ")] += int(value)
    for line in lines:
        terminalreporter.write_line(line)
    if outcomes:
        each = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
        terminalreporter.write_line(f"{outcomes.total()} hostile checkpoints: {each}")
