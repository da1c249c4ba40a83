"""unrolled doctor: what is wrong here, and how to mend it."""

import os
from dataclasses import asdict

import click
import orjson
from pydantic import ValidationError

from app.commands.checkup import Finding, findings
from app.commands.mistake import strays, wrong_settings
from app.commands.speed import measure
from app.serving.machine import look
from app.settings import Settings


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON instead of a table.")
@click.pass_context
def doctor(context: click.Context, /, as_json: bool) -> None:
    """Look at versions, processors, threads, memory, files, settings and speed; say what is wrong and how to mend it.

    Run it where the service runs, with the same environment. Exit code 1 where something is wrong.
    """
    found: list[Finding] = []
    using = Settings.model_construct()
    try:
        using = Settings()
    except ValidationError as error:
        mend = "mend it; until then the rest is looked at with the defaults"
        found += [Finding("settings", "wrong", line, mend) for line in wrong_settings(error)]
    found += [Finding("settings", "wrong", says, mend) for says, mend in strays(os.environ)]
    if not found:
        found.append(Finding("settings", "ok", "all can be read"))
    for one in found if not as_json else ():
        _print(one)
    for one in findings(using, look(), measure):
        found.append(one)
        if not as_json:
            _print(one)
    if as_json:
        click.echo(orjson.dumps([asdict(one) for one in found], option=orjson.OPT_INDENT_2))
    context.exit(1 if any(one.level == "wrong" for one in found) else 0)


def _print(finding: Finding) -> None:
    colour = {"ok": "green", "note": "yellow", "wrong": "red"}[finding.level]
    click.echo(f"{click.style(f'{finding.level:6}', fg=colour)} {finding.name:11} {finding.says}")
    if finding.mend and finding.level != "ok":
        click.echo(f"{'':19}→ {finding.mend}")
