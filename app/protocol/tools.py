"""Every shape on the wire of POST /script and POST /qr."""

from typing import Any

from pydantic import Field

from model.recipe import MOST_CHANGES, Change, Frozen, Recipe


class ScriptRequest(Frozen):
    """A run to write as a PyTorch script."""

    recipe: Recipe = Field(Recipe(), description="fields left out take their defaults; `framework` is not tensorflow")
    changes: tuple[Change, ...] = Field(
        (), max_length=MOST_CHANGES, fail_fast=True, description="the run's change log, in order of `after_update`"
    )


SCRIPT_EXAMPLES: dict[str, dict[str, Any]] = {
    "tutorial": {"summary": "the tutorial's run", "value": {}},
    "changed": {
        "summary": "a GRU whose learning rate was lowered after update 31",
        "value": {"recipe": {"cell": "gru"}, "changes": [{"after_update": 31, "learning_rate": 0.005}]},
    },
}


class QrRequest(Frozen):
    """A text to draw as a QR code."""

    text: str = Field(min_length=1, max_length=2000, description="what the code says, such as an address")


QR_EXAMPLES: dict[str, dict[str, Any]] = {
    "link": {"summary": "a link to a run", "value": {"text": "http://127.0.0.1:8000/#seed=3&cell=gru"}}
}
