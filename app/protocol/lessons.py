"""Every shape on the wire of the lessons, /lessons/…."""

from typing import Any

from pydantic import BaseModel, Field

from model.detach import Act
from model.recipe import Frozen, Recipe


class DetachRequest(Frozen):
    """Whose loop to write with and without its detach."""

    recipe: Recipe = Field(Recipe(), description="fields left out take their defaults")


class DetachAnswer(BaseModel):
    """Five ways to write the loop, and what PyTorch made of each."""

    recipe: Recipe = Field(
        description="what was run: by PyTorch, one stream where their number varies, random weights, state carried"
    )
    torch: str = Field(description="the version of PyTorch whose words these are")
    acts: tuple[Act, ...] = Field(
        description="`chunks` end with the first `error`; `nodes` is the size of the graph behind a chunk's loss"
    )


DETACH_EXAMPLES: dict[str, dict[str, Any]] = {
    "default": {"summary": "the tutorial's network", "value": {}},
    "gru": {"summary": "another cell, twelve units", "value": {"recipe": {"cell": "gru", "hidden_size": 12}}},
}
