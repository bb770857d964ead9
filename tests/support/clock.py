"""A clock for tests: time passes only where something sleeps."""

from __future__ import annotations


class Clock:
    """In place of the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        """Seconds that were slept."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Return at once, later."""
        self.pauses.append(seconds)
        self.now += seconds
