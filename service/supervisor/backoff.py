"""Exponential backoff between restarts of a program."""

from __future__ import annotations

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 10.0
STABLE_SECONDS = 30.0


class Backoff:
    """Pauses that double with each restart; a run longer than STABLE_SECONDS resets them."""

    def __init__(self, max_seconds: float = MAX_PAUSE_SECONDS) -> None:
        self._max_seconds = max_seconds
        self._pause_seconds = FIRST_PAUSE_SECONDS

    def pause(self, ran_seconds: float) -> float:
        """Seconds to wait before restarting a program that ended after `ran_seconds`."""
        if ran_seconds > STABLE_SECONDS:
            self._pause_seconds = FIRST_PAUSE_SECONDS
        pause = self._pause_seconds
        self._pause_seconds = min(2 * pause, self._max_seconds)
        return pause
