"""unrolled export: a network as a file that other programs can run."""

from pathlib import Path

import click

from app.commands.mistake import check_folder, settings, writable, write_file
from app.commands.reading import find_model, plainly
from model.export.onnx import to_onnx
from model.network import state_parts


@click.command("export")
@click.argument("model")
@click.option("--onnx", type=writable, required=True, help="Write an ONNX model here.")
def export(model: str, onnx: Path) -> None:
    """Write a network for other programs.

    MODEL is `sine`, an uploaded model's id, or a checkpoint file. The ONNX model takes sequences of any length and
    any number of them, and hands the hidden state on from call to call.
    """
    check_folder(onnx)
    with plainly():
        checkpoint = find_model(model, settings()).checkpoint
    data = to_onnx(checkpoint)
    write_file(onnx, data)
    recipe = checkpoint.recipe
    click.echo(f"{onnx}: {recipe.cell}, {recipe.hidden_size} units, {len(data):,} bytes")
    click.echo("")
    click.echo(f"  session = onnxruntime.InferenceSession({str(onnx)!r})")
    click.echo(f"  state = numpy.zeros(({state_parts(recipe.cell)}, batch, {recipe.hidden_size}), numpy.float32)")
    click.echo('  prediction, state = session.run(None, {"x": x, "state": state})  # x: float32 [batch, time, 1]')
