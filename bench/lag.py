"""How late updates come, measured by the pace that was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Arrivals:
    """What one viewer got in a while: messages in order, each with the updates since the one before.

    Times are in seconds of one clock.
    """

    before: int
    """The last update that had come when this began."""
    at: Sequence[float]
    """When each message came."""
    last: Sequence[int]
    """The last update in each."""


def lags(got: Arrivals, pace: float, warm: float, until: float, grace: float) -> tuple[npt.NDArray[np.float64], int]:
    """Seconds that each update came too late, and how many have not come that were due `grace` seconds before `until`.

    At a pace p update k is due at an anchor plus k/p. The anchor is the earliest that explains what came before `warm`:
    the minimum of arrival - k/p, so that a viewer is measured by its own best. Updates that came later than `warm` are
    counted. Whoever falls behind its pace has a lag that grows: nothing is forgiven.
    """
    last = np.asarray(got.last, np.int64)
    counts = np.diff(last, prepend=got.before)
    came = np.repeat(np.asarray(got.at, np.float64), counts)
    update = np.arange(got.before + 1, got.before + 1 + len(came))
    origin = came - update / pace
    if not (early := origin[came < warm]).size:
        return np.empty(0), max(0, int((until - warm) * pace))
    anchor = early.min()
    newest = int(last[-1])
    due = int((until - grace - anchor) * pace)
    return origin[came >= warm] - anchor, max(0, due - newest)
