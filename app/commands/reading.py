"""Models and checkpoints for the commands; whatever is wrong with one is a Mistake."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from app.commands.mistake import Mistake
from app.protocol.refusal import Refused
from app.settings import Settings
from app.store.models import Model, ModelStore
from model.checkpoint import MAX_BYTES, Checkpoint, CheckpointError
from model.weights import bundled


@contextmanager
def plainly() -> Iterator[None]:
    """Whatever the model or the service refuses in this block is a Mistake."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]).replace("_", "-")
        raise Mistake(f"--{field}: {first['msg']}" if field else first["msg"]) from None
    except Refused as refused:
        raise Mistake(refused.detail) from None
    except UnicodeDecodeError:
        raise Mistake("this is neither JSON nor CSV: it is not UTF-8 text") from None
    except ValueError as error:
        raise Mistake(str(error)) from None


def find_model(name: str, using: Settings) -> Model:
    """The model of a checkpoint file, or the one that a server knows under this name. Raises Mistake or Refused."""
    if Path(name).is_file():
        data = read_bytes(Path(name))
        with _of(Path(name)):
            return Model.of_bytes(data)
    return ModelStore(using.models_dir, using.max_models, using.max_models_bytes, bundled()).get(name)


def read_checkpoint(path: Path) -> Checkpoint:
    """A run or network from a checkpoint file. Raises Mistake."""
    data = read_bytes(path)
    with _of(path):
        return Checkpoint.from_bytes(data)


@contextmanager
def _of(path: Path) -> Iterator[None]:
    try:
        yield
    except CheckpointError as error:
        raise Mistake(f"{path}: {error}") from None


def read_bytes(path: Path) -> bytes:
    """A file that should be a checkpoint, no further than one may reach. Raises Mistake."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Mistake(f"{path}: {error.strerror}") from None
