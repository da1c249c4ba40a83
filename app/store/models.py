"""The model store: checkpoints that can predict, named after the hash of their content."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.protocol.predict import ModelSummary, StoredModelSummary
from app.protocol.refusal import Refused
from app.protocol.shown import shown
from app.store.folder import IdTaken, ModelFolder
from model.checkpoint import Checkpoint, CheckpointError, model_id
from model.inference import TRAINED_INTERVAL, Weights
from model.recipe import Recipe

log = logging.getLogger("unrolled.models")

LOADED = 16  # models kept ready in memory; one has at most 1 MiB

RECORD_SECONDS = 60.0
"""A model's use is written down at most so often. In between it is known to this server alone, and this server does not
notice that another one evicted the model."""


@dataclass(frozen=True, eq=False)
class Model:
    """A checkpoint that is ready to predict. `digest` is the 8 bytes that its states are bound to."""

    id: str
    digest: bytes
    size: int
    checkpoint: Checkpoint
    weights: Weights
    interval: tuple[float, float]
    summary: ModelSummary

    @classmethod
    def of_bytes(cls, data: bytes, name: str | None = None) -> "Model":
        """Make a checkpoint's bytes ready to predict. Raises CheckpointError."""
        checkpoint = Checkpoint.from_bytes(data)
        network = checkpoint.network()
        digest = model_id(data)
        interval = checkpoint.run.interval or TRAINED_INTERVAL
        summary = ModelSummary(
            id=name or digest,
            cell=network.cell,
            hidden_size=network.hidden_size,
            parameters=network.parameter_count(),
            interval=interval,
        )
        return cls(summary.id, bytes.fromhex(digest), len(data), checkpoint, Weights.of(network), interval, summary)

    def listed(self) -> StoredModelSummary:
        return StoredModelSummary(**self.summary.model_dump(), bytes=self.size, update=self.checkpoint.run.update)


@dataclass
class _Loaded:
    """A model in memory: when it was last used, and when that was last written down (of `time_ns`)."""

    model: Model
    used: int
    recorded: int


class ModelStore:
    """Models by id. Files and nothing else: several servers may share the folder. Any thread may call.

    Where another upload would not fit, models that were not used for longest are evicted. `bundled` ones have names,
    live in memory and always stay.
    """

    def __init__(
        self, folder: Path, max_models: int, max_bytes: int, bundled: Mapping[str, bytes] | None = None
    ) -> None:
        self._folder = ModelFolder(folder, max_models, max_bytes)
        self._max_models = max_models
        self._max_bytes = max_bytes
        self._bundled_bytes = dict(bundled or {})
        self._bundled = {name: Model.of_bytes(data, name) for name, data in self._bundled_bytes.items()}
        self._names = {model.digest.hex(): name for name, model in self._bundled.items()}
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()
        self._summaries: dict[str, StoredModelSummary] = {}  # a model's never changes: its id is its content
        self._lock = threading.Lock()  # of what is in memory; not held while a file is touched

    def ready(self, id: str) -> Model | None:
        """The model if no file need be touched: it is in memory, and its use was written down a short while ago."""
        if (model := self._bundled.get(self._names.get(id, id))) is not None:
            return model
        now = time.time_ns()
        with self._lock:
            loaded = self._loaded.get(id)
            if loaded is None or abs(now - loaded.recorded) > RECORD_SECONDS * 1e9:
                return None
            loaded.used = now
            self._loaded.move_to_end(id)
            return loaded.model

    def get(self, id: str, field: str = "model") -> Model:
        """The model, from memory or from its file. Raises Refused, naming `field`."""
        if (model := self.ready(id)) is not None:
            return model
        with self._lock:
            loaded = self._loaded.get(id)
        if loaded is None:
            return self._remember(self._of_bytes(id, self.read(id, field), field))
        if not self._folder.touch(id):
            self._forget([id])
            raise _unknown(id, field)
        return self._remember(loaded.model)

    def weights_of(self, recipe: Recipe) -> Checkpoint | None:
        """The weights that a run of this recipe starts from; None where they are drawn at random. Raises Refused."""
        if recipe.weights == "random":
            return None
        checkpoint = self.get(recipe.weights, "recipe.weights").checkpoint
        has = checkpoint.recipe
        if (has.cell, has.hidden_size) != (recipe.cell, recipe.hidden_size):
            detail = (
                f"model {recipe.weights} is {has.cell} with hidden_size {has.hidden_size}, "
                f"not {recipe.cell} with {recipe.hidden_size}"
            )
            raise Refused("conflict", "recipe.weights, recipe.cell, recipe.hidden_size", detail)
        return checkpoint

    def read(self, id: str, field: str = "model") -> bytes:
        """The bytes of a model, as they were uploaded. Raises Refused, naming `field`."""
        if (bundled := self._bundled_bytes.get(self._names.get(id, id))) is not None:
            return bundled
        data = self._bytes(id, field)
        self._folder.touch(id)
        return data

    def add(self, data: bytes) -> Model:
        """Keep a checkpoint; the same bytes again are the same model, used again. Raises Refused."""
        try:
            model = Model.of_bytes(data)
        except CheckpointError as error:
            raise Refused("bad_model", "", str(error)[:400]) from None
        if (name := self._names.get(model.id)) is not None:
            return self._bundled[name]
        if self._max_models == 0:
            raise Refused("store_full", "", "this server keeps no uploaded models")
        if len(data) > self._max_bytes:
            detail = f"{self._max_bytes} bytes of models are kept; there is no room for {len(data)}"
            raise Refused("store_full", "", detail)
        try:
            evicted = self._folder.write(model.id, data, self._used())
        except IdTaken:
            raise Refused("bad_model", "", f"another model already has the id {model.id}") from None
        except OSError as error:
            log.error("model %s not stored: %s", model.id, error.strerror)
            raise Refused("store_full", "", f"the model could not be written to disk: {error.strerror}") from None
        self._forget(evicted)
        return self._remember(model)

    def summaries(self) -> list[StoredModelSummary]:
        """All models, bundled ones first, then the most recently used. A file that is no model is left out."""
        known, listed = self._summaries, {}
        for id in self._folder.by_use(self._used()):
            try:
                listed[id] = known.get(id) or self._of_bytes(id, self._bytes(id, "id"), "id").listed()
            except Refused:
                if self._folder.has(id):  # else it was evicted in between
                    log.warning("model file %s is not the model that its name says", id)
        self._summaries = listed
        return [*(model.listed() for model in self._bundled.values()), *listed.values()]

    def _bytes(self, id: str, field: str) -> bytes:
        try:
            return self._folder.read(id)
        except OSError:  # there is none, or what has its name is no file
            raise _unknown(id, field) from None

    def _of_bytes(self, id: str, data: bytes, field: str) -> Model:
        try:
            return Model.of_bytes(data)
        except CheckpointError:  # stored by a server that read other formats
            raise _unknown(id, field) from None

    # ---------------------------------------------------------------- memory

    def _remember(self, model: Model) -> Model:
        """Keep it in memory; its use has just been written down."""
        now = time.time_ns()
        with self._lock:
            self._loaded[model.id] = _Loaded(model, used=now, recorded=now)
            self._loaded.move_to_end(model.id)
            while len(self._loaded) > LOADED:
                self._loaded.popitem(last=False)
        return model

    def _forget(self, ids: list[str]) -> None:
        with self._lock:
            for id in ids:
                self._loaded.pop(id, None)

    def _used(self) -> dict[str, int]:
        """When each model was last used, as far as this process knows."""
        with self._lock:
            return {id: loaded.used for id, loaded in self._loaded.items()}


def _unknown(id: str, field: str) -> Refused:
    return Refused("unknown_model", field, f"{field}: no model {shown(id)}; GET /models lists them")
