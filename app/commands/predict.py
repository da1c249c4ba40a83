"""unrolled predict: sin sequences from a file or standard input to cos."""

from pathlib import Path
from typing import Any, BinaryIO, Literal

import click
import numpy as np
import orjson

from app.commands.mistake import Mistake, check_folder, existing, settings, writable, write_file
from app.commands.reading import find_model, plainly
from app.inference.question import Question
from app.store.series import Series, SeriesError
from model.inference import predict as infer

LARGEST_FILE = 64 * 2**20
"""Bytes; several times what the longest allowed sequences take as text."""


@click.command("predict")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--model", help="`sine`, an uploaded model's id, or a checkpoint file.  [default: sine]")
@click.option("--to", type=click.Choice(["json", "csv"]), help="The answer's format.  [default: as the input]")
@click.option("--state-in", type=existing, help="Go on from the hidden state that --state-out wrote.")
@click.option("--state-out", type=writable, help="Write the hidden state after the last sample here.")
def predict(
    file: BinaryIO,
    model: str | None,
    to: Literal["json", "csv"] | None,
    state_in: Path | None,
    state_out: Path | None,
) -> None:
    """Turn sin sequences into cos.

    FILE, or standard input, is CSV (a sequence in each row, or one as a column) or JSON: a list of numbers, a
    list of lists, or the body of POST /predict, which is answered as the server does.
    """
    check_folder(state_out)
    with plainly():
        series = Series.parse(_text(file))
        body = dict(series.body)
        if state_in is not None:
            body["states" if "sequences" in body else "state"] = _state(state_in)
        using = settings()
        question = Question.of_body(orjson.dumps(body), using.max_sequence, using.max_sequences)
        chosen = find_model(model or question.model, using)
        predictions, ends = infer(chosen.weights, question.sequences, question.open_states(chosen))
    if not all(np.isfinite(row).all() for row in (*predictions, *ends)):
        raise Mistake(f"{chosen.id}: this model's prediction is not finite")
    answer = question.answer(chosen, predictions, ends)
    for warning in answer["warnings"]:
        click.echo(f"Warning: {warning}", err=True)
    if state_out is not None:
        write_file(state_out, orjson.dumps(answer["states"] if question.several else answer["state"]))
    click.echo(series.written(answer, to))


def _text(file: BinaryIO) -> str:
    data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise SeriesError(f"a file may have {LARGEST_FILE} bytes")
    return data.decode("utf-8-sig")


def _state(path: Path) -> Any:
    try:
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        raise SeriesError(f"{path}: --state-out did not write this") from None
