"""Playback: a run as its viewer plays it."""

from app.live.pacing import Pacing, Timing
from app.protocol.train import DivergedAt, Finished
from app.training.link import Run
from app.training.trainer import LEAST_WEIGHT, Trainer
from model.play import Pace, PlayState, View

KEEP_UPDATES = 500
"""After so many updates a viewer is given a checkpoint: as many again are made in a moment where a run is taken up.
`Timing` says after how many seconds it is given one at the latest, and at the earliest: a fast run has made more by
then."""

IN_TIME = 0.95
"""While updates come at this part of the pace at least, the machine keeps up with it."""


class Playback:
    """A run, the leave that its viewer gives it to go on, and the updates that are ready to be sent.

    Updates up to `after` have been seen by the viewer already, on another connection: they are made at full
    speed, since the numbers of all later ones rest on them, but not sent again.
    """

    def __init__(self, run: Run, played: PlayState, after: int, resumed: bool, timing: Timing) -> None:
        self.run = run
        self._clock, self._timing = timing.clock, timing
        self.pacing = Pacing(played.pace, played.playing, after, self._clock(), timing.rate_seconds)
        self.views: frozenset[View] = frozenset(played.views)
        self.per_second: float | None = None
        """Updates as they come, while the machine cannot keep up with the pace."""
        self._after = after
        # it may have lost the connection between the last update and the word that this was the last
        self._finish_again = resumed and 0 < after == run.recipe.stop_after
        self._ready: list[bytes] = []
        self._kept = run.update
        self._kept_at = self._clock()

    @property
    def played(self) -> PlayState:
        """How it is played at this moment."""
        return PlayState(pace=self.pacing.pace, playing=self.pacing.playing, views=tuple(sorted(self.views)))

    def play(self) -> None:
        self.pacing.play(self._clock())

    def set_pace(self, pace: Pace) -> None:
        self.pacing.set_pace(pace, self._clock())
        self.per_second = None

    def _note(self, rate: float) -> None:
        """The newest measurement of how many updates a second come. One after another they are smoothed."""
        pace = self.pacing.pace
        if pace == "max" or rate >= IN_TIME * pace:
            self.per_second = None
        else:
            self.per_second = rate if self.per_second is None else (self.per_second + rate) / 2

    def kept(self) -> None:
        """The viewer was given a checkpoint of the run as it stands."""
        self._kept, self._kept_at = self.run.update, self._clock()

    def until_checkpoint(self) -> float | None:
        """Seconds until the viewer should be given another; None while nothing was made since, or catches up."""
        since = self.run.update - self._kept
        if since == 0 or self.is_catching_up:
            return None
        seconds = self._timing.apart_seconds if since >= KEEP_UPDATES else self._timing.keep_seconds
        return max(0.0, self._kept_at + seconds - self._clock())

    def seen(self, update: int) -> None:
        """The viewer has drawn everything up to this update; more than was made counts as all that was."""
        self.pacing.see(update, self.run.update, self._clock())

    @property
    def is_catching_up(self) -> bool:
        return self.run.update < self._after

    @property
    def newest(self) -> int:
        """The newest update that was made, here or for the connection before."""
        return max(self.run.update, self._after)

    def wait(self, loaded: bool) -> float | None:
        """Seconds until there is something to make or to send; None if only a message can bring it.

        Where the machine is loaded, updates are made and sent together.
        """
        if self.is_catching_up or self._finish_again:
            return 0.0
        now = self._clock()
        waits = [self.pacing.until_update(self.run.update, now, together=loaded), self.until_checkpoint()]
        if self._ready:
            waits.append(self.pacing.until_message(now))
        return min((wait for wait in waits if wait is not None), default=None)

    async def advance(self, trainer: Trainer) -> Finished | DivergedAt | None:
        """Take one turn at training if one is due. Returns how the run stopped, if it did: then it is paused.

        Raises ProcessLost.
        """
        run, pacing = self.run, self.pacing
        if self.is_catching_up:
            turn = await trainer.advance(run, self._after - run.update, frozenset())
            finished = False
        elif self._finish_again:
            self._finish_again = False
            pacing.pause()
            return Finished(update=run.update)
        elif most := pacing.allowance(run.update, self._clock()):
            weight = LEAST_WEIGHT if pacing.pace == "max" else pacing.pace
            turn = await trainer.advance(run, most, self.views, run.recipe.stop_after, weight)
            now = self._clock()
            pacing.made(turn.made, now)
            if (rate := pacing.rate(now)) is not None:
                self._note(rate)
            if turn.made:
                self._ready.append(turn.text)
            finished = turn.made > 0 and run.done
        else:
            return None
        if turn.diverged or finished:
            pacing.pause()
            self._after = run.update
        if turn.diverged:
            return DivergedAt(update=run.update + 1, tensor=turn.diverged)
        return Finished(update=run.update) if finished else None

    def take_due(self) -> list[bytes]:
        """The updates that may be sent by now."""
        return self.take_all() if self.pacing.until_message(self._clock()) == 0 else []

    def take_all(self) -> list[bytes]:
        """The updates that are ready, due or not: before any other message goes out."""
        if not self._ready:
            return []
        ready, self._ready = self._ready, []
        self.pacing.sent(self._clock())
        return ready
