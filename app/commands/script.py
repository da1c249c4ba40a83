"""unrolled script: a run as a PyTorch script that needs nothing of ours."""

from typing import Any

import click

from app.commands.reading import plainly
from app.commands.train import chosen, recipe_options
from model.export.script import script as script_of


@click.command("script")
@recipe_options
@click.option("--updates", type=click.IntRange(1, 1_000_000), default=60, show_default=True, help="Updates to make.")
@click.pass_context
def script(context: click.Context, /, updates: int, **fields: Any) -> None:
    """Print a run as a PyTorch script.

    The script needs torch and numpy only. It prints the losses that `unrolled train --framework torch` and the page
    show, to the bit; those of a compiled run are the same but for rounding.
    """
    recipe, weights = chosen(context, fields)
    with plainly():
        click.echo(script_of(recipe.model_copy(update={"stop_after": updates}), (), weights), nl=False)
