"""Question: a prediction request, checked and in one form, whether it came as one sequence or as several."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.inference.sealed_state import State, open_state, seal_state
from app.protocol.predict import PredictRequest, WarningCode
from app.protocol.refusal import Refused, checked
from app.protocol.shown import SHOWN, shown
from app.store.models import Model
from model.inference import doubts

Samples = NDArray[np.float32]  # (time,)

MOST_WARNINGS = 8

MOST_MARKS = 20_000
"""Lists, objects, texts and fields in a body beyond those of its sequences. It has a handful; 4 MB of nothing else take
three seconds to read, in which nobody is served."""

_FIELDS = ", ".join(PredictRequest.model_fields)

MARKS_A_SEQUENCE = 4  # its list, its target's, and the quotes around its state


@dataclass(frozen=True)
class Question:
    """Sequences to predict for, with a state and maybe a target for each."""

    model: str
    several: bool
    sequences: list[Samples]
    states: list[str | None]
    targets: list[Samples] | None

    @classmethod
    def of_body(cls, body: bytes, most_samples: int, most_sequences: int) -> Self:
        """Read and check the body of `POST /predict`. Raises Refused, naming the field."""
        if sum(map(body.count, (b"[", b"{", b'"', b":"))) > MOST_MARKS + MARKS_A_SEQUENCE * most_sequences:
            detail = f"there are more fields, lists or texts than there can be; there are {_FIELDS}"
            raise Refused("unknown_field", "", f"{detail}, of at most {most_sequences} sequences")
        asked = checked(PredictRequest, body)
        if asked.model_extra:
            name = next(iter(asked.model_extra))
            detail = f"there is no field {shown(name)}; there are {_FIELDS}"
            raise Refused("unknown_field", name[:SHOWN], detail)
        if asked.sequences is None:
            if asked.sequence is None:
                raise Refused("missing", "sequence", "sequence: one of sequence and sequences must be there")
            _none(asked, "sequence", "states", "targets")
            _short(asked.sequence, "sequence", most_samples)
            if asked.target is not None:
                _match(asked.target, "target", asked.sequence, "sequence")
            targets = None if asked.target is None else _arrays([asked.target])
            return cls(asked.model, False, _arrays([asked.sequence]), [asked.state], targets)

        _none(asked, "sequences", "sequence", "state", "target")
        _short(asked.sequences, "sequences", most_sequences)
        for row, sequence in enumerate(asked.sequences):
            _short(sequence, f"sequences.{row}", most_samples)
        for name, others in (("states", asked.states), ("targets", asked.targets)):
            if others is not None:
                _match(others, name, asked.sequences, "sequences")
        for row, target in enumerate(asked.targets or []):
            _match(target, f"targets.{row}", asked.sequences[row], f"sequences.{row}")
        states = asked.states or [None] * len(asked.sequences)
        targets = None if asked.targets is None else _arrays(asked.targets)
        return cls(asked.model, True, _arrays(asked.sequences), states, targets)

    def open_states(self, model: Model) -> list[State | None]:
        """The states as numbers. Raises Refused for one that `model` did not hand out."""
        return [
            None if text is None else open_state(text, model, f"states.{row}" if self.several else "state")
            for row, text in enumerate(self.states)
        ]

    def answer(self, model: Model, predictions: list[Samples], states: list[State]) -> dict[str, Any]:
        """A PredictAnswer or PredictAnswers as plain data."""
        common = {"model": model.summary.model_dump(), **self._warnings(model)}
        errors = None
        if self.targets is not None:
            pairs = zip(predictions, self.targets, strict=True)
            errors = [float(np.square(y - target, dtype=np.float64).mean()) for y, target in pairs]
        sealed = [seal_state(state, model) for state in states]
        if self.several:
            answer = {"predictions": predictions, "states": sealed, **common}
            return answer if errors is None else answer | {"mses": errors}
        answer = {"prediction": predictions[0], "state": sealed[0], **common}
        return answer if errors is None else answer | {"mse": errors[0]}

    def _warnings(self, model: Model) -> dict[str, list[str]]:
        found: list[tuple[WarningCode, str]] = []
        for row, sequence in enumerate(self.sequences):
            name = f"sequences.{row}" if self.several else "sequence"
            found += [(doubt.kind, f"{name}: {doubt.text}") for doubt in doubts(sequence, model.interval)]
        if len(found) > MOST_WARNINGS:
            found[MOST_WARNINGS:] = [("more", f"and {len(found) - MOST_WARNINGS} more warnings")]
        if not found:
            return {"warnings": []}
        return {"warnings": [text for _, text in found], "warning_codes": [code for code, _ in found]}


def _arrays(lists: list[list[float]]) -> list[Samples]:
    return [np.array(numbers, np.float32) for numbers in lists]


def _none(asked: PredictRequest, given: str, *others: str) -> None:
    for name in others:
        if getattr(asked, name) is not None:
            raise Refused("conflict", name, f"{name}: cannot come with {given}")


def _short(values: list[Any], field: str, most: int) -> None:
    if len(values) > most:
        raise Refused("out_of_range", field, f"{field}: has at most {most} items, not {len(values)}")


def _match(values: list[Any], field: str, others: list[Any], other: str) -> None:
    if len(values) != len(others):
        raise Refused("conflict", field, f"{field}: has {len(values)} items where {other} has {len(others)}")
