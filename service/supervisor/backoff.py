"""How long to wait before what ended is started again."""

from __future__ import annotations

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 10.0
STABLE_SECONDS = 30.0


class Backoff:
    """Pauses that double from one end to the next; what ran for half a minute begins from the first again."""

    def __init__(self, longest_seconds: float = MAX_PAUSE_SECONDS) -> None:
        self._longest_seconds = longest_seconds
        self._pause_seconds = FIRST_PAUSE_SECONDS

    def pause(self, ran_seconds: float) -> float:
        """Seconds to wait now, for what has just ended after `ran_seconds`."""
        if ran_seconds > STABLE_SECONDS:
            self._pause_seconds = FIRST_PAUSE_SECONDS
        pause = self._pause_seconds
        self._pause_seconds = min(2 * pause, self._longest_seconds)
        return pause
