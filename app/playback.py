"""Playback: a run as its viewer plays it."""

from time import monotonic

from app.messages import Finished
from app.pacing import Pacing
from app.trainer import LEAST_WEIGHT, Trainer
from model.play import PlayState, View
from model.training import Diverged, Learner, Update

KEEP_SECONDS = 5.0
"""A viewer is given a checkpoint at least so often while its run goes on."""

KEEP_UPDATES = 500
"""And at least after so many updates: as many again are made in a moment where a run is taken up."""


class Playback:
    """A learner, the leave that its viewer gives it to go on, and the updates that are ready to be sent.

    Updates up to `after` have been seen by the viewer already, on another connection: they are made at full
    speed, since the numbers of all later ones rest on them, but not sent again.
    """

    def __init__(self, learner: Learner, played: PlayState, after: int, resumed: bool) -> None:
        self.learner = learner
        self.pacing = Pacing(played.pace, played.playing, after, monotonic())
        self.views: frozenset[View] = frozenset(played.views)
        self._after = after
        # it may have lost the connection between the last update and the word that this was the last
        self._finish_again = resumed and 0 < after == learner.recipe.stop_after
        self._ready: list[Update] = []
        self._kept = learner.update
        self._kept_at = monotonic()

    @property
    def played(self) -> PlayState:
        """How it is played at this moment."""
        return PlayState(pace=self.pacing.pace, playing=self.pacing.playing, views=tuple(sorted(self.views)))

    def kept(self) -> None:
        """The viewer was given a checkpoint of the run as it stands."""
        self._kept, self._kept_at = self.learner.update, monotonic()

    def until_checkpoint(self) -> float | None:
        """Seconds until the viewer should be given another; None while nothing was made since, or catches up."""
        since = self.learner.update - self._kept
        if since == 0 or self.is_catching_up:
            return None
        return 0.0 if since >= KEEP_UPDATES else max(0.0, self._kept_at + KEEP_SECONDS - monotonic())

    def seen(self, update: int) -> None:
        """The viewer has drawn everything up to this update; more than was made counts as all that was."""
        self.pacing.see(update, self.learner.update, monotonic())

    @property
    def is_catching_up(self) -> bool:
        return self.learner.update < self._after

    @property
    def newest(self) -> int:
        """The newest update that was made, here or for the connection before."""
        return max(self.learner.update, self._after)

    def wait(self) -> float | None:
        """Seconds until there is something to make or to send; None if only a message can bring it."""
        if self.is_catching_up or self._finish_again:
            return 0.0
        now = monotonic()
        waits = [self.pacing.until_update(self.learner.update, now), self.until_checkpoint()]
        if self._ready:
            waits.append(self.pacing.until_message(now))
        return min((wait for wait in waits if wait is not None), default=None)

    async def advance(self, trainer: Trainer) -> Finished | Diverged | None:
        """Take one turn at training if one is due. Returns how the run stopped, if it did: then it is paused."""
        learner, pacing = self.learner, self.pacing
        if self.is_catching_up:
            turn = await trainer.advance(learner, self._after - learner.update, frozenset(), weight=LEAST_WEIGHT)
            finished = False
        elif self._finish_again:
            self._finish_again = False
            pacing.pause()
            return Finished(update=learner.update)
        elif most := pacing.allowance(learner.update, monotonic()):
            weight = LEAST_WEIGHT if pacing.pace == "max" else pacing.pace
            turn = await trainer.advance(learner, most, self.views, learner.recipe.stop_after, weight)
            pacing.made(len(turn.updates), monotonic())
            self._ready.extend(turn.updates)
            finished = bool(turn.updates) and learner.done
        else:
            return None
        if turn.diverged or finished:
            pacing.pause()
            self._after = learner.update
        return turn.diverged or (Finished(update=learner.update) if finished else None)

    def take_due(self) -> list[Update]:
        """The updates that may be sent by now."""
        return self.take_all() if self.pacing.until_message(monotonic()) == 0 else []

    def take_all(self) -> list[Update]:
        """The updates that are ready, due or not: before any other message goes out."""
        if not self._ready:
            return []
        ready, self._ready = self._ready, []
        self.pacing.sent(monotonic())
        return ready
