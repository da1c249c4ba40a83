"""Checkpoint: a run at rest, as one safetensors blob. The same bytes on disk, on the wire and as a download."""

import hashlib
import json
import math
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Annotated

import numpy as np
import safetensors.numpy
import torch
from jaxtyping import Shaped
from pydantic import AfterValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError
from safetensors import SafetensorError

from model.network import Network, state_parts, tensor_shapes
from model.play import PlayState
from model.recipe import MOST_CHANGES, Change, Framework, Frozen, Recipe
from model.signal import GENERATORS, SignalState

FORMAT = 3
"""Version of the layout of the blob."""

READABLE = (1, 2, FORMAT)
"""Versions that are read. The first kept neither losses nor play state nor earlier versions; in the first two the
framework `torch` is what is called `compiled` since."""

PROVEN = 2000
"""A run keeps the losses of so many updates, its first: a receipt is made of them."""

MOST_EARLIER = 8
"""Moves from one set of versions to another that a run remembers."""

MAX_BYTES = 2**20
"""Room for the largest recipe: a 128-unit LSTM with Adam, 8 streams and a full change log."""

MAX_HEADER_BYTES = 2**18

MOST_FIELDS = 10_000
"""Fields in the text of a run. A full change log has some 5,000; far more would take long to refuse."""

MOST_COUNTED = 2**52

METADATA = "unrolled"
"""Where the header keeps the run. One key only: the library writes several in no fixed order."""

Interval = Annotated[float, Field(gt=0, le=math.pi)]

Array = Shaped[np.ndarray, "..."]
Tensors = Mapping[str, Array]

MOMENTS = ("exp_avg", "exp_avg_sq")
"""Adam's moments of each weight's gradients, by PyTorch's names."""

POWERS = ("beta1_power", "beta2_power")
"""Powers of its betas, which TensorFlow's Adam keeps instead of a count of steps."""


class CheckpointError(ValueError):
    """The bytes are not a checkpoint that can be used; says what is wrong with them."""

    def __init__(self, said: str) -> None:
        # some of it may be the file's own words
        super().__init__("".join(character if character.isprintable() else "\ufffd" for character in said))


# what a run holds is written again with every checkpoint of it, and all of that must find room in a header
_Name = Annotated[str, Field(max_length=32, pattern="^[ -~]*$")]
_Version = Annotated[str, Field(max_length=64, pattern="^[ -~]*$")]
Versions = Annotated[dict[_Name, _Version], Field(max_length=16)]
Note = Annotated[str, Field(max_length=500)]


class Earlier(Frozen):
    """The versions that a run was made with up to an update, where another set took over."""

    until_update: int = Field(ge=0, le=2**53)
    versions: Versions


def _readable(version: int) -> int:
    if version not in READABLE:
        ours = f"{', '.join(map(str, READABLE[:-1]))} and {FORMAT}"
        what = "the file is of version {version}; versions {ours} can be read here"
        raise PydanticCustomError("format", what, {"version": version, "ours": ours})
    return version


class _Format(Frozen):
    """The format in a checkpoint's header, looked at before anything else."""

    model_config = ConfigDict(extra="ignore")

    format: Annotated[int, AfterValidator(_readable)] = FORMAT


class _WithFramework(Frozen):
    model_config = ConfigDict(extra="ignore")

    framework: Framework = "compiled"


class _Framed(_Format):
    """The framework in a checkpoint's header: it says to which process a run belongs."""

    recipe: _WithFramework


class RunRecord(Frozen):
    """The part of a checkpoint that is not tensors.

    `position` is in half-periods; `loss_sum` is the sum of all losses so far; `optimizer_steps` may be fewer
    than updates, since training can be switched off; `interval` is the range of radians between two samples
    that the network was trained for, and `notes` are free text about its making. `played` is how its viewer
    played it, where it had one; `earlier` are the versions that it was made with before those of now.
    """

    format: int = FORMAT
    recipe: Recipe
    changes: tuple[Change, ...] = Field((), max_length=MOST_CHANGES, fail_fast=True)
    update: int = Field(0, ge=0, le=2**53)
    position: int = Field(0, ge=0, le=2**53)
    next_stream_id: int = Field(1, ge=1, le=2**53)
    loss_sum: float = Field(0.0, ge=0)
    optimizer_steps: int = Field(0, ge=0, le=2**53)
    interval: tuple[Interval, Interval] | None = None
    notes: dict[_Name, Note] = Field(default_factory=dict, max_length=16)
    versions: Versions = Field(default_factory=lambda: versions())
    earlier: tuple[Earlier, ...] = Field((), max_length=MOST_EARLIER, fail_fast=True)
    played: PlayState | None = None

    def moved(self, to: Mapping[str, str]) -> tuple[Earlier, ...]:
        """`earlier`, should the run go on with the versions `to`; the oldest give way."""
        if _numeric(self.versions) == _numeric(to):
            return self.earlier
        left = Earlier(until_update=self.update, versions=self.versions)
        return (*self.earlier, left)[-MOST_EARLIER:]


@dataclass(frozen=True)
class Checkpoint:
    """A run at rest. A model for prediction may hold the network's tensors alone; such a one cannot be resumed."""

    run: RunRecord
    tensors: Tensors = field(repr=False)

    @classmethod
    def of_network(
        cls,
        recipe: Recipe,
        network: Network,
        *,
        interval: tuple[float, float] | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> "Checkpoint":
        """A trained network without a run."""
        run = RunRecord(recipe=recipe, interval=interval, notes=dict(notes or {}))
        return cls(run, network.arrays())

    @property
    def recipe(self) -> Recipe:
        return self.run.recipe

    @property
    def resumable(self) -> bool:
        """Whether it holds everything that a run needs to go on."""
        return "hidden_state" in self.tensors

    @property
    def losses(self) -> Array:
        """The losses of the run's first updates, float32; as far as they were kept."""
        return self.tensors.get("losses", np.zeros(0, np.float32))

    @property
    def signal_state(self) -> SignalState:
        return SignalState(
            self.run.position,
            self.run.next_stream_id,
            self.tensors["streams.id"],
            self.tensors["streams.offset"],
            {name: self.tensors[f"generator.{name}"] for name in GENERATORS},
        )

    def network(self) -> Network:
        """A new network with these weights."""
        network = Network(self.recipe.cell, self.recipe.hidden_size)
        with torch.no_grad():
            for name, weight in network.named_parameters():
                weight.copy_(torch.tensor(self.tensors[name]))
        return network

    def to_bytes(self) -> bytes:
        """One safetensors blob; equal checkpoints give equal bytes."""
        run = self.run.model_dump_json()
        return safetensors.numpy.save(dict(self.tensors), {METADATA: run})

    @classmethod
    def from_bytes(cls, data: bytes) -> "Checkpoint":
        """Read a blob from anywhere, trusted or not.

        Raises:
            CheckpointError: too large, not safetensors, no run in it, a recipe out of bounds, tensors missing,
                too many, of another shape or type, or not finite.
        """
        run = _read_run(data)
        try:
            tensors = safetensors.numpy.load(data)
        except (SafetensorError, ValueError, KeyError, OverflowError) as error:
            raise CheckpointError(f"not a safetensors file: {str(error)[:100]}") from None
        _check(run, tensors)
        return cls(*_in_todays_format(run, tensors))


def framework_of(data: bytes) -> Framework:
    """The framework of the run in a checkpoint's bytes; `compiled` where none can be read: whoever reads all says why.

    Raises:
        CheckpointError: there is no run in them.
    """
    try:
        framed = _Framed.model_validate_json(_run_text(data))
    except ValidationError:
        return "compiled"
    return meant(framed.recipe.framework, before=framed.format < FORMAT)


def meant(framework: Framework, *, before: bool) -> Framework:
    """What a file means by a framework's name. `before` there were three, `torch` was what learns in NumPy."""
    return "compiled" if before and framework == "torch" else framework


def model_id(data: bytes) -> str:
    """The name of a model: the first 16 hex digits of the SHA-256 of its bytes."""
    return hashlib.sha256(data).hexdigest()[:16]


def versions() -> dict[str, str]:
    """The versions that every run's numbers depend on beside its recipe, whatever learns.

    Initial weights are drawn by PyTorch, the signal by NumPy. What a `Program` depends on further it says itself.
    """
    return dict(_versions())


@cache
def _versions() -> Mapping[str, str]:
    return {
        "unrolled": metadata.version("unrolled"),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
    }


def _numeric(versions: Mapping[str, str]) -> dict[str, str]:
    """The versions on which the numbers themselves depend: our own releases keep them."""
    return {name: version for name, version in versions.items() if name != "unrolled"}


def signal_tensors(state: SignalState) -> dict[str, Array]:
    """A signal's state as checkpoint tensors; `Checkpoint.signal_state` is the way back."""
    generators = {f"generator.{name}": packed for name, packed in state.generators.items()}
    return {"streams.id": state.stream_ids, "streams.offset": state.offset, **generators}


def _run_text(data: bytes) -> str:
    """The JSON of the run in a blob's header. Raises CheckpointError."""
    if len(data) > MAX_BYTES:
        raise CheckpointError(f"a checkpoint has at most {MAX_BYTES} bytes; this has {len(data)}")
    if len(data) < 8:
        raise CheckpointError(f"a checkpoint has at least 8 bytes; this has {len(data)}")
    (header_bytes,) = struct.unpack("<Q", data[:8])
    if header_bytes > min(MAX_HEADER_BYTES, len(data) - 8):
        raise CheckpointError(f"its header claims {header_bytes} bytes; at most {MAX_HEADER_BYTES} and the file's")
    try:
        header = json.loads(data[8 : 8 + header_bytes])
        text = header["__metadata__"][METADATA]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError(f"a safetensors header with a run under `{METADATA}` is missing") from None
    if not isinstance(text, str):
        raise CheckpointError(f"`{METADATA}` in its header is not text")
    if text.count(":") > MOST_FIELDS:
        raise CheckpointError(f"a run has at most {MOST_FIELDS} fields in all; this has {text.count(':')}")
    return text


def _read_run(data: bytes) -> RunRecord:
    text = _run_text(data)
    try:
        _Format.model_validate_json(text)  # before the rest: another version's may look quite different
        run = RunRecord.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:80] or "run"
        raise CheckpointError(f"{where}: {first['msg'][:200]}") from None
    return run


def _in_todays_format(run: RunRecord, tensors: Tensors) -> tuple[RunRecord, Tensors]:
    """What a file of an earlier format holds, as this one says it. The losses that it never kept are none."""
    if run.format == FORMAT:
        return run, tensors
    if "hidden_state" in tensors:
        tensors = {"losses": np.zeros(0, np.float32), **tensors}
    recipe = run.recipe.model_copy(update={"framework": meant(run.recipe.framework, before=True)})
    return run.model_copy(update={"format": FORMAT, "recipe": recipe}), tensors


def _check(run: RunRecord, tensors: Tensors) -> None:
    for name in ("update", "position", "next_stream_id", "optimizer_steps"):
        if (count := getattr(run, name)) > MOST_COUNTED:  # there must be room to go on counting
            raise CheckpointError(f"{name} is at most {MOST_COUNTED}; it is {count}")
    points = [change.after_update for change in run.changes]
    if points != sorted(points):
        raise CheckpointError("changes: a change log is in order of after_update; this is not")
    if run.interval is not None and run.interval[0] > run.interval[1]:
        raise CheckpointError("interval: from its shortest to its longest; this is the other way round")
    if run.loss_sum > run.update * float(np.finfo(np.float32).max):
        raise CheckpointError(f"loss_sum is more than {run.update} losses can add up to")
    shapes = tensor_shapes(run.recipe.cell, run.recipe.hidden_size)
    expected: dict[str, tuple[tuple[int, ...], type]] = {name: (shape, np.float32) for name, shape in shapes.items()}
    if tensors.keys() != expected.keys():
        expected |= _run_tensors(run, tensors)
    if odd := sorted(expected.keys() ^ tensors.keys()):
        name = odd[0][:80]
        raise CheckpointError(f"tensor {name} is missing" if odd[0] in expected else f"tensor {name} does not belong")
    for name, (shape, dtype) in expected.items():
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype != dtype:
            came = f"{tensor.dtype} {list(tensor.shape)}"
            raise CheckpointError(f"tensor {name} should be {np.dtype(dtype)} {list(shape)}; it is {came}")
        if not np.isfinite(tensor).all():
            raise CheckpointError(f"tensor {name} has values that are not finite")
        if (name.endswith("exp_avg_sq") or name == "losses") and (tensor < 0).any():
            raise CheckpointError(f"tensor {name} is made of squares and has values below 0")
    if "streams.id" in tensors:
        ids = tensors["streams.id"].tolist()
        if ids[0] != 0 or ids != sorted(set(ids)) or ids[-1] >= run.next_stream_id:
            raise CheckpointError("tensor streams.id should rise from 0 and stay below next_stream_id")
        offsets = tensors["streams.offset"]
        if (offsets < 0).any() or (offsets > 2 * math.pi).any():
            raise CheckpointError("tensor streams.offset should lie within one period, from 0 to 2π")


def _run_tensors(run: RunRecord, tensors: Tensors) -> dict[str, tuple[tuple[int, ...], type]]:
    """Name, shape and type of the tensors that a run has beside its network."""
    recipe = run.recipe
    ids = tensors.get("streams.id")
    streams = 1 if ids is None else max(1, ids.size)
    if streams > recipe.most_streams:
        raise CheckpointError(f"tensor streams.id has {streams} streams; most_streams is {recipe.most_streams}")
    expected: dict[str, tuple[tuple[int, ...], type]] = {
        "hidden_state": ((state_parts(recipe.cell), streams, recipe.hidden_size), np.float32),
        "streams.id": ((streams,), np.int64),
        "streams.offset": ((streams,), np.float64),
    }
    expected |= {f"generator.{name}": ((4,), np.uint64) for name in GENERATORS}
    if run.format > 1:
        kept = tensors.get("losses", np.zeros(0)).size
        expected["losses"] = ((min(kept, run.update, PROVEN),), np.float32)
    if recipe.optimizer == "adam" and run.optimizer_steps > 0:
        for name, shape in tensor_shapes(recipe.cell, recipe.hidden_size).items():
            expected |= {f"optimizer.{name}.{moment}": (shape, np.float32) for moment in MOMENTS}
        if recipe.framework == "tensorflow":
            expected |= {f"optimizer.{power}": ((), np.float32) for power in POWERS}
    return expected
