"""The model store: checkpoints that can predict, as files named after the hash of their content."""

import logging
import os
import re
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.messages import ModelSummary, StoredModelSummary
from app.refusals import Refused, shown
from model.checkpoint import Checkpoint, CheckpointError, model_id
from model.inference import TRAINED_INTERVAL, load
from model.network import Network
from model.recipe import Recipe

log = logging.getLogger("unrolled.models")

UPLOADED = re.compile(r"[0-9a-f]{16}")  # the only names that ever become part of a path
SUFFIX = ".safetensors"
LOADED = 16  # models kept ready in memory; one has at most 1 MiB
LEFTOVER_SECONDS = 3600  # a temporary file this old belongs to a write that was cut off


@dataclass(frozen=True, eq=False)
class Model:
    """A checkpoint that is ready to predict. `digest` is the 8 bytes that its states are bound to."""

    id: str
    digest: bytes
    size: int
    checkpoint: Checkpoint
    network: Network
    interval: tuple[float, float]
    summary: ModelSummary

    @classmethod
    def of_bytes(cls, data: bytes, name: str | None = None) -> "Model":
        """Raises CheckpointError."""
        checkpoint = Checkpoint.from_bytes(data)
        network = load(checkpoint)
        digest = model_id(data)
        interval = checkpoint.run.interval or TRAINED_INTERVAL
        summary = ModelSummary(
            id=name or digest,
            cell=network.cell,
            hidden_size=network.hidden_size,
            parameters=network.parameter_count(),
            interval=interval,
        )
        return cls(summary.id, bytes.fromhex(digest), len(data), checkpoint, network, interval, summary)

    def listed(self) -> StoredModelSummary:
        return StoredModelSummary(**self.summary.model_dump(), bytes=self.size, update=self.checkpoint.run.update)


class ModelStore:
    """Models by id. Files and nothing else: several servers may share the folder. Any thread may call.

    `bundled` models have names, live in memory and are never written.
    """

    def __init__(
        self, folder: Path, max_models: int, max_bytes: int, bundled: Mapping[str, bytes] | None = None
    ) -> None:
        self._folder = folder
        self._max_models = max_models
        self._max_bytes = max_bytes
        self._bundled_bytes = dict(bundled or {})
        self._bundled = {name: Model.of_bytes(data, name) for name, data in self._bundled_bytes.items()}
        self._names = {model.digest.hex(): name for name, model in self._bundled.items()}
        self._loaded: OrderedDict[str, Model] = OrderedDict()
        self._summaries: dict[str, StoredModelSummary] = {}  # a model's never changes: its id is its content
        self._lock = threading.Lock()
        self._remove_leftovers()

    def ready(self, id: str) -> Model | None:
        """The model if it is in memory: no file is touched."""
        model = self._bundled.get(self._names.get(id, id))
        if model is None:
            with self._lock:
                model = self._loaded.get(id)
                if model is not None:
                    self._loaded.move_to_end(id)
        return model

    def get(self, id: str, field: str = "model") -> Model:
        """The model, from memory or from its file. Raises Refused, naming `field`."""
        model = self.ready(id)
        if model is None:
            model = self._remember(self._of_file(id, self.read(id, field), field))
        return model

    def weights_of(self, recipe: Recipe) -> Checkpoint | None:
        """What a run of this recipe starts from; None where that is drawn. Raises Refused."""
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
        bundled = self._bundled_bytes.get(self._names.get(id, id))
        if bundled is not None:
            return bundled
        if not UPLOADED.fullmatch(id):
            raise _unknown(id, field)
        try:
            data = self._path(id).read_bytes()
        except FileNotFoundError:
            raise _unknown(id, field) from None
        if model_id(data) != id:  # a file that somebody changed is not the model that was asked for
            raise _unknown(id, field)
        return data

    def add(self, data: bytes) -> Model:
        """Keep a checkpoint; the same bytes again are the same model. Raises Refused."""
        try:
            model = Model.of_bytes(data)
        except CheckpointError as error:
            raise Refused("bad_model", "", str(error)[:400]) from None
        if (known := self.ready(model.id)) is not None:
            return known
        with self._lock:
            path = self._path(model.id)
            if not path.exists():
                self._make_room(len(data))
                self._write(path, data)
                log.info("model %s stored, %d bytes", model.id, len(data))
            elif path.read_bytes() != data:
                raise Refused("bad_model", "", f"another model already has the id {model.id}")
        return self._remember(model)

    def summaries(self) -> list[StoredModelSummary]:
        """All models, bundled ones first, then the newest. A file that is no model is left out."""
        found = [model.listed() for model in self._bundled.values()]
        newest = sorted(self._files().items(), key=lambda file: file[1].st_mtime_ns, reverse=True)
        for id, _ in newest[: self._max_models]:
            if id not in self._summaries:
                try:
                    self._summaries[id] = self.get(id).listed()
                except Refused:
                    log.warning("model file %s%s is not the model that its name says", id, SUFFIX)
                    continue
            found.append(self._summaries[id])
        return found

    def _files(self) -> dict[str, os.stat_result]:
        """The uploaded models by id."""
        found = {}
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.suffix == SUFFIX and UPLOADED.fullmatch(path.stem):
                    with suppress(FileNotFoundError):  # an operator may remove files at any time
                        found[path.stem] = path.stat()
        return found

    def _path(self, id: str) -> Path:
        assert UPLOADED.fullmatch(id)
        return self._folder / f"{id}{SUFFIX}"

    def _of_file(self, id: str, data: bytes, field: str) -> Model:
        try:
            return Model.of_bytes(data)
        except CheckpointError:  # stored by a server that read other formats
            raise _unknown(id, field) from None

    def _remember(self, model: Model) -> Model:
        if model.id not in self._bundled:
            with self._lock:
                self._loaded[model.id] = model
                self._loaded.move_to_end(model.id)
                while len(self._loaded) > LOADED:
                    self._loaded.popitem(last=False)
        return model

    def _make_room(self, size: int) -> None:
        sizes = [stat.st_size for stat in self._files().values()]
        if len(sizes) >= self._max_models:
            raise Refused("store_full", "", f"{self._max_models} models are kept: no room for another")
        if sum(sizes) + size > self._max_bytes:
            detail = f"{self._max_bytes} bytes of models are kept; there is no room for {size} more"
            raise Refused("store_full", "", detail)

    def _write(self, path: Path, data: bytes) -> None:
        """Whole or not at all: whoever reads the path, or pulls the plug, finds a complete file or none."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(dir=self._folder, prefix=".upload-")
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(data)
                    os.fchmod(file.fileno(), 0o644)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, path)
            except BaseException:
                os.unlink(name)
                raise
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)  # the name too survives a power cut
            finally:
                os.close(folder)
        except OSError as error:
            log.error("model %s not stored: %s", path.stem, error.strerror)
            raise Refused("store_full", "", "the model could not be written to disk") from None

    def _remove_leftovers(self) -> None:
        if self._folder.is_dir():
            for path in self._folder.glob(".upload-*"):
                if path.stat().st_mtime < time.time() - LEFTOVER_SECONDS:
                    path.unlink(missing_ok=True)


def _unknown(id: str, field: str) -> Refused:
    return Refused("unknown_model", field, f"{field}: no model {shown(id)}; GET /models lists them")
