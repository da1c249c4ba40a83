"""Opening: what a viewer's newest `open` asked for, until it is answered."""

from dataclasses import asdict

from app.live.playback import Playback
from app.protocol.refusal import Refused
from app.protocol.train import MAX_AFTER, FloorsShown, NetworkSummary, Open, Opened
from app.training.link import Run
from model.floors import floors


class Opening:
    """The `open` that is to be answered. A further one takes the place of one that still waits for its checkpoint."""

    def __init__(self) -> None:
        self._asked: Open | None = None
        self.waits = False
        """Whether the binary frame of a `resume` is still to come."""

    def begin(self, asked: Open) -> None:
        self._asked, self.waits = asked, asked.resume

    def give_up_waiting(self) -> Refused:
        """Wait for the frame no longer, since another message came in its place; the refusal that says so."""
        self.waits = False
        return Refused("checkpoint_expected", "", "after `open` with `resume` one binary frame must come")

    def take_frame(self) -> Open:
        """The `open` that the frame which came belongs to. Raises Refused where none was announced."""
        if self._asked is None or not self.waits:
            raise Refused("checkpoint_unexpected", "", "a binary frame follows only an `open` with `resume`")
        self.waits = False
        return self._asked

    def answered(self) -> int | None:
        """The tag that the answer carries."""
        asked, self._asked = self._asked, None
        return asked.tag if asked else None

    def tag(self, refused: Refused) -> None:
        """Say of a refusal which `open` it refuses; while a frame is still to come it refuses something else."""
        if self._asked is not None and not self.waits:
            refused.tag = self.answered()


def seen_up_to(asked: Open, update: int) -> int:
    """Up to which update the viewer has seen a run whose checkpoint stands at `update`. Raises Refused."""
    after = update if asked.after is None else asked.after
    if not update <= after <= update + MAX_AFTER:
        bounds = f"from {update}, the checkpoint's update, to {update + MAX_AFTER}"
        raise Refused("out_of_range", "after", f"after: Input should be {bounds}, not {after}")
    return after


def opened(run: Run, playback: Playback, tag: int | None, connection: str) -> Opened:
    """The answer to an `open`."""
    recipe = run.recipe
    return Opened(
        tag=tag,
        connection=connection,
        recipe=recipe,
        changes=run.changes,
        update=run.update,
        window=playback.pacing.window,
        network=NetworkSummary(
            cell=recipe.cell, hidden_size=recipe.hidden_size, parameters=run.parameters, text=run.text
        ),
        floors=FloorsShown(**asdict(floors(recipe))),
        versions=run.versions,
        earlier=run.earlier,
        played=playback.played,
    )
