"""Recipe: everything that decides a run at its start. Change: what may be altered while it is in motion."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_serializer, model_validator
from pydantic_core import PydanticCustomError

LONGEST_CHUNK = 120
"""The most time steps that one chunk may have."""

MOST_CHANGES = 1000
"""The most entries that a change log may have."""

Cell = Literal["rnn", "gru", "lstm"]

Framework = Literal["compiled", "torch", "tensorflow"]


class Frozen(BaseModel):
    """A value: immutable, unknown fields refused, and no guessing of types (`true` and `"1"` are not numbers)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _field(default: Any, title: str, text: str, *, unit: str = "", live: bool = False, **bounds: Any) -> Any:
    extra: dict[str, Any] = {"unit": unit, "applies": "live" if live else "restart"}
    return Field(default, title=title, description=text, json_schema_extra=extra, validate_default=True, **bounds)


class Recipe(Frozen):
    """All choices that decide a run at its start. Page, command line and API docs are built from its schema."""

    seed: int = _field(
        1,
        "Seed",
        "Where every random draw of the run begins: same seed, same numbers. Change it to see what was luck and what "
        "is the network's doing.",
        ge=0,
        le=2**31 - 1,
    )
    framework: Framework = _field(
        "compiled",
        "Framework",
        "What learns: a kernel compiled for this machine, which is fast and builds no graph; PyTorch, whose graph is "
        "built anew for every chunk; or TensorFlow, whose graph is built once. Their first losses agree.",
    )
    cell: Cell = _field(
        "rnn",
        "Cell",
        "What happens at each time step: plain tanh, or a gated GRU or LSTM. Gates take three to four times the "
        "weights; look whether the loss falls sooner for them.",
    )
    hidden_size: int = _field(
        32,
        "Hidden size",
        "How many numbers the network keeps in mind from one time step to the next. A single unit mostly gets stuck, "
        "four already learn the wave; with many, each update takes longer.",
        unit="units",
        ge=1,
        le=128,
    )
    weights: str = _field(
        "random",
        "Weights",
        "Whether the network begins with random weights or with those of a trained model. A trained one has a small "
        "loss at once and shows what a random one is on its way to.",
        pattern="^[a-z0-9]{1,64}$",
    )
    train: bool = _field(
        True,
        "Train",
        "Whether each chunk changes the weights. Switched off, the network only predicts: the loss stays where it is "
        "and shows what has been learned.",
        live=True,
    )
    optimizer: Literal["adam", "sgd"] = _field(
        "adam",
        "Optimiser",
        "The rule that turns gradients into new weights. Adam scales each weight's move by its past gradients; SGD "
        "follows the gradient as it is, slower over the first chunks and calmer after them.",
    )
    learning_rate: float = _field(
        0.02,
        "Learning rate",
        "How far one update moves the weights. Too small and the loss hardly falls; too large and it jumps about or "
        "diverges.",
        live=True,
        ge=1e-5,
        le=1.0,
    )
    carry_state: bool = _field(
        True,
        "Carry state",
        "Whether the hidden state at the end of a chunk is where the next one begins. Without it the first sample "
        "after a seam is a guess, since sin alone does not tell which way the wave goes.",
        live=True,
    )
    shortest: int = _field(
        1,
        "Shortest chunk",
        "The fewest half-periods that a chunk lasts. Short chunks make more seams, and the gradient reaches back no "
        "further than its chunk.",
        unit="half-periods",
        ge=1,
        le=6,
    )
    longest: int = _field(
        3,
        "Longest chunk",
        "The most half-periods that a chunk lasts. Equal to the shortest, every chunk has the same length: the "
        "tutorial's static time steps.",
        unit="half-periods",
        ge=1,
        le=6,
    )
    samples: int = _field(
        10,
        "Samples",
        "How many time steps each half-period has. More of them make longer chunks, and the gradient has further to "
        "go.",
        unit="per half-period",
        ge=4,
        le=40,
    )
    sampling: Literal["tutorial", "uniform"] = _field(
        "tutorial",
        "Sampling",
        "Whether a chunk begins with the sample that the one before ended with, as in the tutorial, or with the next "
        "one. With the tutorial's repeat the wave stands still for one time step at every seam, and the network must "
        "cope with that.",
    )
    fewest_streams: int = _field(
        1,
        "Fewest streams",
        "The fewest sequences learned from side by side in one update. More of them give a steadier gradient; each has "
        "a phase and a hidden state of its own.",
        unit="streams",
        ge=1,
        le=8,
    )
    most_streams: int = _field(
        1,
        "Most streams",
        "The most sequences learned from side by side in one update. Above the fewest, the batch changes size as the "
        "chunks do, and a dynamic graph takes it as it comes.",
        unit="streams",
        ge=1,
        le=8,
    )
    noise: float = _field(
        0.0,
        "Noise",
        "Random error added to the input, as a standard deviation; the target stays clean. The network has to lean on "
        "its state more than on the sample of the moment, and the loss cannot fall to nothing.",
        ge=0.0,
        le=1.0,
    )
    stop_after: int = _field(
        0,
        "Stop after",
        "Pause once this many updates are done; 0 means never. The tutorial stops after 60, when the loss is still "
        "falling.",
        unit="updates",
        ge=0,
        le=1_000_000,
    )

    @model_validator(mode="after")
    def _fields_agree(self) -> "Recipe":
        if self.shortest > self.longest:
            raise _disagree("shortest", self.shortest, "must not exceed", "longest", self.longest)
        if self.fewest_streams > self.most_streams:
            raise _disagree("fewest_streams", self.fewest_streams, "must not exceed", "most_streams", self.most_streams)
        if self.framework == "tensorflow" and self.most_streams > 1:
            rule = "must be 1, since a graph built once fixes the batch so that the time step may vary, with"
            raise _disagree("most_streams", self.most_streams, rule, "framework", self.framework)
        if self.framework == "tensorflow" and self.cell != "rnn":
            raise _disagree("cell", self.cell, "must be rnn, the tutorial's, with", "framework", self.framework)
        if self.longest * self.samples > LONGEST_CHUNK:
            rule = f"times samples must stay within {LONGEST_CHUNK} time steps: too many for"
            raise _disagree("longest", self.longest, rule, "samples", self.samples)
        return self

    def after(self, change: "Change") -> "Recipe":
        """The recipe with a live change applied.

        Raises:
            pydantic.ValidationError: the change does not fit this recipe.
        """
        return Recipe.model_validate(self.model_dump() | change.fields())


def _disagree(first: str, one: int | str, rule: str, second: str, other: int | str) -> PydanticCustomError:
    return PydanticCustomError(
        "fields_disagree",
        "{first} ({one}) {rule} {second} ({other})",
        {"first": first, "one": one, "rule": rule, "second": second, "other": other},
    )


_LIVE = {
    name: field
    for name, field in Recipe.model_fields.items()
    if isinstance(field.json_schema_extra, dict) and field.json_schema_extra["applies"] == "live"
}

LIVE_FIELDS = frozenset(_LIVE)

# The recipe's own annotations, bounds and help, each made optional: a live field is declared once, in Recipe.
_OPTIONAL: dict[str, Any] = {
    name: (
        Annotated[field.annotation, Field(), *field.metadata] | None,
        Field(None, title=field.title, description=field.description),
    )
    for name, field in _LIVE.items()
}


class _SomeFields(Frozen):
    """Live fields of which only some are set: what is not set is not written either."""

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, serialize: Any) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value is not None}

    def fields(self) -> dict[str, Any]:
        """The fields that it sets, by name."""
        return self.model_dump(include=set(LIVE_FIELDS))


LiveFields = create_model("LiveFields", __base__=_SomeFields, **_OPTIONAL)


class Change(LiveFields):
    """One entry of a change log: live fields of the recipe that took new values after an update."""

    after_update: int = Field(ge=0, le=2**53, description="The update that it came after; 0 before the first.")

    @model_validator(mode="after")
    def _changes_something(self) -> "Change":
        if not self.fields():
            names = ", ".join(sorted(LIVE_FIELDS))
            raise PydanticCustomError("no_change", "a change sets at least one of {names}", {"names": names})
        return self
