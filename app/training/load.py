"""Load: whether the machine has enough to do that messages should travel together."""

from time import monotonic, process_time

LOOK_SECONDS = 1.0
"""Over how long the load is measured."""

HIGH, LOW = 0.6, 0.3
"""Shares of a core, of the event loop or of training, from which on and below which it counts as high. They are far
apart: what is done about it takes a third of the load away."""


class Load:
    """How busy the event loop and training are, and whether that is too much for messages of one update each."""

    def __init__(self) -> None:
        self.is_high = False
        self._began, self._cpu = monotonic(), process_time()
        self._training = 0.0

    def note(self, seconds: float) -> None:
        """Count seconds that training took."""
        self._training += seconds
        now = monotonic()
        elapsed = now - self._began
        if elapsed < LOOK_SECONDS:
            return
        cpu = process_time()
        share = max(self._training, cpu - self._cpu) / elapsed
        self.is_high = share > (LOW if self.is_high else HIGH)
        self._began, self._cpu, self._training = now, cpu, 0.0
