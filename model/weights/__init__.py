"""The pretrained checkpoints that ship with the project, by id.

Read `make` first: it makes them again.
"""

from pathlib import Path


def bundled() -> dict[str, bytes]:
    """Each shipped checkpoint's bytes."""
    return {path.stem: path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.safetensors"))}
