"""Fake clock for tests: time passes only in `sleep`."""

from __future__ import annotations


class Clock:
    """Replacement of the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        """Return the total time slept, in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Advance the clock without waiting."""
        self.pauses.append(seconds)
        self.now += seconds
