"""unrolled train: a run in the terminal, printed as the tutorial prints it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from app.commands.chart import page
from app.commands.mistake import Mistake, check_folder, existing, settings, writable, write_file
from app.commands.reading import find_model, plainly, read_checkpoint
from model.checkpoint import Checkpoint
from model.learner import Diverged, Learner, Update
from model.recipe import LIVE_FIELDS, Recipe

MOST_CHARTED = 5000
"""Updates that a chart's page holds; a default run needs about half a kB for each."""


def recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """One option for each field of Recipe, with its bounds, default and help."""
    for name, field in reversed(Recipe.model_json_schema()["properties"].items()):
        if name == "stop_after":  # it pauses a page; here `--updates` decides
            continue
        flag = "--" + name.replace("_", "-")
        kind: Any = {"integer": int, "number": float, "string": str, "boolean": bool}[field["type"]]
        if kind is bool:
            flag += "/--no-" + flag.removeprefix("--")
        elif "enum" in field:
            kind = click.Choice(field["enum"])
        elif "minimum" in field:
            kind = (click.IntRange if kind is int else click.FloatRange)(field["minimum"], field["maximum"])
        command = click.option(flag, type=kind, default=field["default"], show_default=True, help=field["description"])(
            command
        )
    return command


@click.command("train")
@recipe_options
@click.option("--updates", type=click.IntRange(1), default=60, show_default=True, help="Updates to make.")
@click.option("--resume", type=existing, help="Go on from a checkpoint; it takes live options only.")
@click.option("--save", type=writable, help="Write a checkpoint here at the end.")
@click.option("--chart", type=writable, help="Write the run here as an animated page that needs no server.")
@click.pass_context
def train(
    context: click.Context,
    /,
    updates: int,
    resume: Path | None,
    save: Path | None,
    chart: Path | None,
    **fields: Any,
) -> None:
    """Train a network, and print the length of each chunk and its loss."""
    check_folder(save)
    check_folder(chart)
    if chart is not None and updates > MOST_CHARTED:
        raise Mistake(f"--chart holds at most {MOST_CHARTED} updates, not {updates}")
    learner = _begun(context, fields) if resume is None else _resumed(resume, _given(context, fields))
    click.echo(learner.program.text)
    click.echo("update  length      loss  mean loss")
    made = []
    try:
        for update in _with_progress(learner, updates):
            if chart is not None:
                made.append(update)
    except Diverged as error:
        if save is not None:
            write_file(save, error.last_good.to_bytes())
        what = f"diverged at update {error.update}: {error.tensor} is not finite"
        raise click.ClickException(what) from None
    if save is not None:
        write_file(save, learner.checkpoint().to_bytes())
    if chart is not None:
        write_file(chart, page(made, learner.recipe, learner.changes).encode())


def chosen(context: click.Context, fields: dict[str, Any]) -> tuple[Recipe, Checkpoint | None]:
    """The recipe that the options ask for, and the weights it names; it takes their cell and size. Raises Mistake."""
    weights = None
    with plainly():
        if fields["weights"] != "random":
            given = _given(context, fields)
            model = find_model(fields["weights"], settings())
            weights = model.checkpoint
            own = {"cell": weights.recipe.cell, "hidden_size": weights.recipe.hidden_size}
            for name, value in own.items():
                if given.get(name, value) != value:
                    option = name.replace("_", "-")
                    raise Mistake(f"--{option}: the weights have {value}, not {given[name]}")
            fields = fields | own | {"weights": model.id}
        return Recipe(**fields), weights


def _given(context: click.Context, fields: dict[str, Any]) -> dict[str, Any]:
    """The options that stand on the command line."""
    return {
        name: value
        for name, value in fields.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def _begun(context: click.Context, fields: dict[str, Any]) -> Learner:
    recipe, weights = chosen(context, fields)
    with plainly():
        return Learner(recipe, weights)


def _resumed(path: Path, given: dict[str, Any]) -> Learner:
    checkpoint = read_checkpoint(path)
    if not checkpoint.resumable:
        raise Mistake(f"{path}: it is a model without a run; start one with --weights {path}")
    if fixed := sorted(given.keys() - LIVE_FIELDS):
        raise Mistake(f"--{fixed[0].replace('_', '-')} belongs to a run's start; --resume keeps what it was")
    with plainly():
        learner = Learner.resume(checkpoint)
        if learner.earlier != checkpoint.run.earlier:
            click.echo(f"{path}: made with other versions; the run goes on, but not to the bit", err=True)
        if given:
            learner.change(given)
    return learner


def _with_progress(learner: Learner, updates: int) -> Iterator[Update]:
    """Make and print updates; a bar goes to standard error where that is a terminal."""
    shown = sys.stderr.isatty()
    with click.progressbar(
        length=updates, label="training", show_pos=True, file=sys.stderr, hidden=not shown
    ) as progress:
        for _ in range(updates):
            update = learner.advance()
            if shown and sys.stdout.isatty():
                click.echo("\r\x1b[K", nl=False, err=True)  # the line goes where the bar stood
            click.echo(f"{update.update:6d}  {update.length:6d}  {update.loss:8.6f}   {update.mean_loss:8.6f}")
            progress.update(1)
            yield update
