"""Pacing: how many updates a viewer may be given now, and when to ask again."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from model.play import Pace

MAX_WINDOW = 256
"""Updates that a viewer at pace max may be ahead of `seen`: about a quarter of a second of one fast learner."""

MESSAGE_SECONDS = 1 / 30
"""At pace max several updates travel in one message, and messages keep this distance."""

MOST_STEPS = 1000
"""Single steps that may wait for the viewer to draw those before them."""

FRAME_SECONDS = 1 / 60
"""A page draws no more often, so updates are due when a frame is: those of all viewers at once, to be made together."""

TOGETHER_SECONDS = 0.1
"""Where the machine is loaded, updates that are due within so long are made and sent together, when the last is due."""

SLACK_SECONDS = 0.25
"""How much of a delay is made up for; what is beyond it is let go, so that a stall does not end in a rush."""


@dataclass(frozen=True)
class Timing:
    """By which clock runs are paced, in seconds that only grow; over how long it is measured whether updates come at
    the pace; how often at least a viewer is given a checkpoint while its run goes on; and how far apart two are at
    least, however fast it goes."""

    clock: Callable[[], float] = monotonic
    rate_seconds: float = 3.0
    keep_seconds: float = 5.0
    apart_seconds: float = 0.5


class Pacing:
    """The viewer pulls: it says what it has `seen`, and at most a window beyond that is made.

    Times are in seconds of any clock that only grows.
    """

    def __init__(
        self, pace: Pace, playing: bool, seen: int, now: float, rate_seconds: float = Timing.rate_seconds
    ) -> None:
        self._rate_seconds = rate_seconds
        self.playing = playing
        self._seen = seen
        self._steps = 0
        self._sent = now - MESSAGE_SECONDS
        self.set_pace(pace, now)

    def set_pace(self, pace: Pace, now: float) -> None:
        """Updates per second, or "max"."""
        self.pace = pace
        self._interval = 1 / pace if pace != "max" else 0.0
        self.window = max(4, math.ceil(0.25 / self._interval)) if self._interval else MAX_WINDOW
        """Updates that may be made beyond what was seen: a quarter of a second of pace, at least 4."""
        self._due = now
        self._measure(now)

    def _measure(self, now: float) -> None:
        self._since, self._let_go, self._excused = now, 0.0, 0.0
        self._blocked: float | None = None  # since when only the viewer holds up the next update

    def see(self, seen: int, update: int, now: float) -> None:
        """The viewer has drawn everything up to `seen`, of the `update` updates that were made."""
        self._seen = max(self._seen, min(seen, update))
        if self._blocked is not None and self._seen + self.window > update:
            self._excused += now - self._blocked
            self._blocked = None

    def step(self) -> None:
        """Allow one update more, and pause."""
        self.playing = False
        self._steps = min(self._steps + 1, MOST_STEPS)

    def play(self, now: float) -> None:
        """Go on; the first update is due at once, and none for the time that was paused."""
        if not self.playing:
            self.playing = True
            self._due = now
            self._measure(now)

    def pause(self) -> None:
        self.playing = False
        self._steps = 0

    def allowance(self, update: int, now: float) -> int:
        """How many updates may follow `update` at this moment."""
        room = max(0, self._seen + self.window - update)
        if self._steps:
            return min(room, self._steps)
        if not self.playing or now < self._due:
            return 0
        late = min(now - self._due, SLACK_SECONDS)
        return min(room, 1 + int(late / self._interval)) if self._interval else room

    def made(self, count: int, now: float) -> None:
        """Tell that this many updates were made."""
        self._steps = max(0, self._steps - count)
        due, latest = self._due + count * self._interval, now - SLACK_SECONDS
        self._let_go += max(0.0, latest - due)
        self._due = max(due, latest)

    def rate(self, now: float) -> float | None:
        """Updates per second as they come, once they were measured long enough; at most the pace. Then anew."""
        if self.pace == "max" or now < self._since + self._rate_seconds:
            return None
        rate = self.pace * (1 - max(0.0, self._let_go - self._excused) / (now - self._since))
        self._measure(now)
        return rate

    def sent(self, now: float) -> None:
        """Tell that a message of updates went out."""
        self._sent = now

    def until_message(self, now: float) -> float:
        """Seconds until updates that are ready may be sent."""
        return 0.0 if self._interval else max(0.0, self._sent + MESSAGE_SECONDS - now)

    def until_update(self, update: int, now: float, together: bool = False) -> float | None:
        """Seconds until another update may be due, or several that are made together.

        None if only a message from the viewer can bring it.
        """
        if not (self.playing or self._steps):
            return None
        if self._seen + self.window <= update:
            self._blocked = now if self._blocked is None else self._blocked
            return None
        due = self._due
        if together and self._interval:
            due += max(0, round(TOGETHER_SECONDS / self._interval) - 1) * self._interval
        if self._steps or now >= due:
            return 0.0
        return math.ceil(due / FRAME_SECONDS) * FRAME_SECONDS - now
