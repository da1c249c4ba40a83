"""unrolled receipt and unrolled verify: what a run came to, and the same run made again to compare."""

from pathlib import Path

import click
from pydantic import ValidationError

from app.commands.mistake import Mistake, existing, settings
from app.commands.reading import find_model, plainly, read_checkpoint
from app.protocol.train import MAX_TEXT_BYTES
from model.learner import Diverged, Learner
from model.receipt import Receipt, Verdict

DIFFERS = 1
"""Exit code where the replay is not equal; a file that cannot be read is 2."""


@click.command("receipt")
@click.argument("checkpoint", type=existing)
def receipt(checkpoint: Path) -> None:
    """Print the receipt of a run.

    CHECKPOINT is a run's file, as the page and `unrolled train --save` write it. `unrolled verify` makes the run again.
    """
    with plainly():
        click.echo(Receipt.of(read_checkpoint(checkpoint)).model_dump_json(indent=2))


@click.command("verify")
@click.argument("file", type=existing)
@click.pass_context
def verify(context: click.Context, /, file: Path) -> None:
    """Make a receipt's run again and compare.

    FILE is a receipt, as the page and `unrolled receipt` write it. Exit code 0: equal to the last bit; 1: not.
    """
    receipt = _read(file)
    verdict = _replayed(receipt)
    click.echo(f"{verdict.updates} of {receipt.updates} updates made again")
    click.echo(f"receipt  {receipt.losses_sha256}")
    click.echo(f"replay   {verdict.losses_sha256}")
    for name in sorted(receipt.versions.keys() | verdict.versions.keys()):
        theirs, ours = receipt.versions.get(name, "none"), verdict.versions.get(name, "none")
        if theirs != ours:
            click.echo(f"{name}: the receipt's is {theirs}, this one {ours}")
    if receipt.earlier:
        click.echo("The run had moved from one set of versions to another, so bits are not promised.")
    click.echo("equal to the last bit" if verdict.equal else "not equal")
    context.exit(0 if verdict.equal else DIFFERS)


def _read(file: Path) -> Receipt:
    """The receipt in a file. Raises Mistake."""
    try:
        with file.open("rb") as source:
            text = source.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise Mistake(f"{file}: {error.strerror}") from None
    if len(text) > MAX_TEXT_BYTES:
        raise Mistake(f"{file}: a receipt has at most {MAX_TEXT_BYTES} bytes")
    if not text.lstrip().startswith(b"{"):
        raise Mistake(f"{file}: this is no receipt; `unrolled receipt` writes one of a run's file")
    try:
        return Receipt.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Mistake(f"{file}: {where + ': ' if where else ''}{first['msg']}") from None


def _replayed(receipt: Receipt) -> Verdict:
    """Make the receipt's run again. Raises Mistake."""
    recipe = receipt.recipe
    with plainly():
        weights = None if recipe.weights == "random" else find_model(recipe.weights, settings()).checkpoint
        learner = Learner(recipe, weights, receipt.changes)
    with click.progressbar(range(receipt.updates), label="replaying", show_pos=True) as updates:
        try:
            for _ in updates:
                learner.advance()
        except Diverged:
            pass
    return receipt.compared(learner)
