"""Row: what one kind of graph did with the plan, as it is shown and recorded."""

from typing import Any, Literal

from pydantic import Field

from model.lab.kinds import Kind, KindName, kind
from model.recipe import Frozen

Status = Literal["done", "failed", "absent"]


class Failure(Frozen):
    """A framework's own words, and the chunks (by index) that it said them to; none if it was at set-up."""

    chunks: tuple[int, ...]
    text: str


class Row(Frozen):
    """One kind of graph, a value for each chunk of the plan.

    `seconds` and `loss` are null where the chunk failed, `graphs` counts the graphs built so far, `computed` the time
    steps of all streams, padding included. Importing the framework is not part of `setup_seconds`.
    """

    kind: KindName
    framework: str
    trains: bool
    status: Status
    setup_seconds: float = 0.0
    import_seconds: float = 0.0
    seconds: tuple[float | None, ...] = ()
    graphs: tuple[int, ...] = ()
    computed: tuple[int, ...] = ()
    loss: tuple[float | None, ...] = ()
    errors: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()


class Recording(Frozen):
    """The whole lab, as static/graphs.json keeps it."""

    made: str = Field(description="date")
    versions: dict[str, str]
    processor: str
    chunks: tuple[dict[str, Any], ...]
    rows: tuple[Row, ...]


class Notebook:
    """Takes down a row's events as they come."""

    def __init__(self, name: KindName) -> None:
        self._about: Kind = kind(name)
        self._setup: dict[str, Any] = {}
        self._chunks: list[dict[str, Any]] = []
        self._failures: dict[str, list[int]] = {}
        self._notes: list[str] = []

    def take(self, event: dict[str, Any]) -> None:
        """One event of the row's process."""
        match event["event"]:
            case "setup":
                self._setup = event
                for text in event["errors"]:
                    self._failures[text] = []
            case "chunk":
                self._chunks.append(event)
                if event["error"] is not None:
                    self._failures.setdefault(event["error"], []).append(event["index"])
            case "ended":
                self._notes = event["notes"]

    def fail(self, text: str) -> None:
        """The row ended before its plan did."""
        self._failures.setdefault(text, [])

    def row(self, status: Status) -> Row:
        """The row as it has been taken down so far."""
        return Row(
            kind=self._about.kind,
            framework=self._about.framework,
            trains=self._about.trains,
            status=status,
            setup_seconds=_to_microseconds(self._setup.get("seconds", 0.0)),
            import_seconds=_to_microseconds(self._setup.get("import_seconds", 0.0)),
            seconds=tuple(None if chunk["error"] else _to_microseconds(chunk["seconds"]) for chunk in self._chunks),
            graphs=tuple(chunk["graphs"] for chunk in self._chunks),
            computed=tuple(chunk["computed"] for chunk in self._chunks),
            loss=tuple(None if chunk["error"] else _to_digits(chunk["loss"]) for chunk in self._chunks),
            errors=tuple(Failure(chunks=tuple(at), text=text) for text, at in self._failures.items()),
            notes=tuple(self._notes),
        )


def _to_microseconds(seconds: float) -> float:
    return round(seconds, 6)


def _to_digits(loss: float) -> float:
    return float(f"{loss:.6g}")
