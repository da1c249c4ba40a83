"""Receipt: what a run came to, in a form that anyone can run again and compare."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from jaxtyping import Float32
from pydantic import Field, model_validator

from model.checkpoint import MOST_EARLIER, PROVEN, Checkpoint, Earlier, Versions, meant
from model.learner import Learner
from model.recipe import MOST_CHANGES, Change, Frozen, Recipe

FORM: Final = 2
"""Version of the form. In the first the framework `torch` is what is called `compiled` since."""


class Receipt(Frozen):
    """A run's recipe, its live changes, and the SHA-256 of the losses of its first `updates` updates.

    The losses are hashed as little-endian float32 numbers, one behind the other. `versions` made the last of them;
    where `earlier` is not empty, others made the first.
    """

    unrolled_receipt: Literal[1, 2] = Field(FORM, description="version of this form")
    recipe: Recipe
    changes: tuple[Change, ...] = Field((), max_length=MOST_CHANGES, fail_fast=True)
    updates: int = Field(ge=1, le=PROVEN, description="how many losses are hashed")
    losses_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    versions: Versions
    earlier: tuple[Earlier, ...] = Field((), max_length=MOST_EARLIER, fail_fast=True)

    @model_validator(mode="after")
    def _in_todays_form(self) -> "Receipt":
        if self.unrolled_receipt == FORM:
            return self
        recipe = self.recipe.model_copy(update={"framework": meant(self.recipe.framework, before=True)})
        return self.model_copy(update={"unrolled_receipt": FORM, "recipe": recipe})

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Receipt":
        """The receipt of a run at rest, for as many updates as it kept the losses of.

        Raises:
            ValueError: it has no updates, or did not keep their losses from the first on.
        """
        run, losses = checkpoint.run, checkpoint.losses
        updates = min(run.update, PROVEN)
        if not checkpoint.resumable or updates == 0:
            raise ValueError("a receipt is made of a run's losses, and this has none")
        if len(losses) < updates:
            raise ValueError(f"the losses of its first {updates} updates were not kept from the first on")
        return cls(
            recipe=run.recipe,
            changes=tuple(change for change in run.changes if change.after_update < updates),
            updates=updates,
            losses_sha256=digest(losses),
            versions=run.versions,
            earlier=tuple(each for each in run.earlier if each.until_update < updates),
        )

    def compared(self, learner: Learner) -> "Verdict":
        """Hold this against a learner of the same recipe and changes that has made `updates`, or diverged before."""
        sha256 = digest(learner.losses[: self.updates])
        equal = learner.update >= self.updates and sha256 == self.losses_sha256
        return Verdict(equal, min(learner.update, self.updates), sha256, learner.versions)


@dataclass(frozen=True)
class Verdict:
    """The result of a replay: whether it is equal to the last bit, the updates made, their hash, and the versions."""

    equal: bool
    updates: int
    losses_sha256: str
    versions: dict[str, str]


def digest(losses: Float32[np.ndarray, " updates"]) -> str:
    """SHA-256 of the losses as little-endian float32, in hexadecimal."""
    return hashlib.sha256(losses.astype("<f4").tobytes()).hexdigest()
