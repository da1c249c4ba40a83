"""unrolled graphs: the graph lab in the terminal."""

import asyncio
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import click
import orjson

from app.commands.mistake import Mistake, check_folder, writable, write_file
from model.lab import bench
from model.lab.kinds import KINDS, KindName, kind
from model.lab.plan import Phase, Plan, full_plan
from model.lab.row import Recording, Row

RECORDED = Path(__file__).parents[2] / "static" / "graphs.json"

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended."""

PHASES: tuple[Phase, ...] = ("known", "new", "streams")


@click.command("graphs")
@click.argument("kinds", nargs=-1, type=click.Choice(KINDS))
@click.option("--all", "everything", is_flag=True, help="Also those that compile for minutes.")
@click.option("--record", is_flag=True, help="All kinds, written to static/graphs.json, where the page looks.")
@click.option("--to", type=writable, help="Write the recording here.  [default with --record: static/graphs.json]")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON instead of a table.")
@click.option("--seconds", type=click.FloatRange(1), default=1800.0, show_default=True, help="Limit for one kind.")
def graphs(
    kinds: tuple[KindName, ...], everything: bool, record: bool, to: Path | None, as_json: bool, seconds: float
) -> None:
    """Send the same chunks through nine kinds of graph and show what each makes of a new length.

    Without KINDS: all that take seconds. Each runs in a process of its own; one that fails stops no other.
    """
    if record and kinds:
        raise Mistake("--record takes all kinds; to write down a few, name a file of your own with --to")
    if to is None and record:
        to = RECORDED
    check_folder(to)
    chosen = (
        [name for name in KINDS if name in kinds]
        if kinds
        else [name for name in KINDS if everything or record or kind(name).cheap]
    )
    plan = full_plan()
    try:
        rows = [asyncio.run(_row(name, plan, seconds)) for name in chosen]
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    click.echo(orjson.dumps([row.model_dump(mode="json") for row in rows]) if as_json else table(rows, plan))
    if to is not None:
        write_file(to, recording(rows, plan))
        click.echo(f"written to {to}", err=True)


async def _row(name: KindName, plan: Plan, seconds: float) -> Row:
    """One row, with its progress on standard error where that is a terminal."""
    made = 0
    shown = sys.stderr.isatty()
    async with aclosing(bench.run(name, plan, seconds)) as events:
        async for event in events:
            if isinstance(event, Row):
                if shown:
                    click.echo(f"\r\x1b[K{name}: {event.status}", err=True)
                return event
            made += event["event"] == "chunk"
            if shown:
                click.echo(f"\r\x1b[K{name}: {made}/{len(plan.chunks)} chunks", nl=False, err=True)
    raise AssertionError("a row ends with itself")


def table(rows: Sequence[Row], plan: Plan) -> str:
    """The rows as text: graphs built, milliseconds per chunk in each phase, and what failed."""
    head = f"{'kind':22} {'graphs':>6} {'setup':>8} " + " ".join(f"{phase + ' ms':>10}" for phase in PHASES)
    lines = [head + f" {'slowest':>10} {'total':>9} {'wasted':>6}"]
    real = [chunk.length * chunk.streams for chunk in plan.chunks]
    for row in rows:
        if row.status == "absent":
            lines.append(f"{row.kind:22} not installed: {kind(row.kind).install}")
            continue
        done = [second for second in row.seconds if second is not None]
        medians = []
        for phase in PHASES:
            these = [
                1e3 * second
                for second, chunk in zip(row.seconds, plan.chunks, strict=False)
                if second is not None and chunk.phase == phase
            ]
            medians.append(f"{median(these):10.2f}" if these else f"{'–':>10}")
        used = sum(steps for steps, second in zip(real, row.seconds, strict=False) if second is not None)
        wasted = 1 - used / sum(row.computed) if sum(row.computed) else 0.0
        lines.append(
            f"{row.kind:22} {row.graphs[-1] if row.graphs else 0:6d} {row.setup_seconds:7.2f}s {' '.join(medians)}"
            f" {max(done, default=0):9.2f}s {row.setup_seconds + sum(done):8.2f}s {wasted:6.0%}"
        )
        for failure in row.errors[:1]:
            where = f"chunk {failure.chunks[0] + 1}" if failure.chunks else "set-up" if done else "the row"
            lines.append(f"  ✗ {where}: {failure.text.splitlines()[0]}")
        if failed := sum(second is None for second in row.seconds):
            lines.append(f"    {failed} of {len(row.seconds)} chunks failed")
    return "\n".join(lines)


def recording(rows: Sequence[Row], plan: Plan) -> bytes:
    """The file that the page reads."""
    made = Recording(
        made=datetime.now(UTC).date().isoformat(),
        versions=_versions(),
        processor=_processor(),
        chunks=tuple(chunk.model_dump() for chunk in plan.chunks),
        rows=tuple(rows),
    )
    return orjson.dumps(made.model_dump(mode="json")) + b"\n"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    packages = {"torch": ["torch"], "tensorflow": ["tensorflow-cpu", "tensorflow"], "onnxruntime": ["onnxruntime"]}
    for name, distributions in packages.items():
        for distribution in distributions:
            try:
                found.setdefault(name, metadata.version(distribution))
            except metadata.PackageNotFoundError:
                continue
    return found


def _processor() -> str:
    """The processor's name and how many of it there are."""
    name: Any = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores"
