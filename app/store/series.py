"""Sequences as people keep them in files, JSON or CSV: read as the body of a prediction, answered in kind."""

import csv
import io
import math
from dataclasses import dataclass
from typing import Any, Literal

import orjson

Layout = Literal["object", "list", "csv"]


class SeriesError(ValueError):
    """A file does not hold sequences of numbers; the message says where."""


@dataclass(frozen=True)
class Series:
    """The sequences of a file, and how they were written in it.

    `body` is that of `POST /predict`, not yet checked beyond being JSON or numbers. `layout` is a JSON object
    (such a body itself), a JSON list, or CSV.
    """

    body: dict[str, Any]
    layout: Layout

    @classmethod
    def parse(cls, text: str) -> "Series":
        """JSON: the body of `POST /predict`, a list of numbers, or a list of such lists.
        CSV: a sequence in each row, or one sequence as a column; a first line of names is skipped.

        Raises:
            SeriesError: it is neither.
        """
        text = text.strip()
        if not text:
            raise SeriesError("there is nothing to read")
        if text[0] not in "[{":
            return cls(_csv(text), "csv")
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise SeriesError(f"this is not JSON: {error}") from None
        if isinstance(value, dict):
            return cls(value, "object")
        several = bool(value) and isinstance(value[0], list)
        return cls({"sequences" if several else "sequence": value}, "list")

    def written(self, answer: dict[str, Any], to: Literal["json", "csv"] | None) -> str:
        """An answer of `POST /predict` in this series' own layout, or in `to`. No final newline."""
        single = "prediction" in answer
        predictions = answer["prediction"] if single else answer["predictions"]
        if (to or self.layout) == "csv":
            lines = [[value] for value in predictions] if single else predictions
            return "\n".join(",".join(str(value) for value in line) for line in lines)
        shown = answer if self.layout == "object" else predictions
        return orjson.dumps(shown, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def _csv(text: str) -> dict[str, Any]:
    lines = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]
    lines = [row for row in lines if any(row)]
    if lines and not any(_is_number(cell) for cell in lines[0]):
        lines = lines[1:]
        if not lines:
            raise SeriesError("no number is in the first line, and nothing stands below it")
    rows = [
        [_number(cell, f"row {number}, value {place}") for place, cell in enumerate(line, 1)]
        for number, line in enumerate(lines, 1)
    ]
    if all(len(row) == 1 for row in rows):
        return {"sequence": [row[0] for row in rows]}
    return {"sequences": rows} if len(rows) > 1 else {"sequence": rows[0]}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(cell: str, place: str) -> float:
    if not _is_number(cell):
        raise SeriesError(f"{place}: {cell[:40]!r} is not a number")
    number = float(cell)
    if not math.isfinite(number):
        raise SeriesError(f"{place}: {cell[:40]!r} is not finite")
    return number
