"""What tests noted with `record_property`: seconds, told at the end of a session and kept where asked."""

import statistics

from _pytest.terminal import TerminalReporter

from bench.results import record


def tell(terminal: TerminalReporter, subject: str, keep: bool) -> None:
    """Print median and worst of each name's seconds; append them to bench/results.json under a subject if `keep`."""
    times: dict[str, list[float]] = {}
    for report in terminal.stats.get("passed", []):
        for name, value in report.user_properties:
            if isinstance(value, float):
                times.setdefault(name, []).append(value)
    figures = {}
    for name, seconds in times.items():
        figures[f"{name}, median, s"] = round(statistics.median(seconds), 2)
        figures[f"{name}, worst of {len(seconds)}, s"] = round(max(seconds), 2)
    for name, figure in figures.items():
        terminal.write_line(f"{name:<70} {figure}")
    if figures and keep:
        record(subject, figures)
